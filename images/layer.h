// One layer of an image, or a whole root file system: a tar, unpacked into a tree.
//
// Privilege: none (the caller's).
#pragma once

#include "base/result.h"
#include "images/limits.h"
#include "images/stream.h"
#include "images/tree.h"

namespace milonga::images {

// A box has devices of its own, so those of an image are of no use; but an image with
// one is either no image for a box or meant to do harm: which, only its owner knows.
enum class Devices { refuse, leave_out };

// Adds a layer to the tree. `tar` is without compression; not all of it need be read.
// An error names the entry and the rule: "entry 'dev/sda': a device node".
Result<> apply_layer(Source& tar, Tree& tree, Meter& meter, Devices devices);

// The same for a directory of this host, which is read but never followed.
Result<> apply_directory(int directory, Tree& tree, Meter& meter, Devices devices);

}  // namespace milonga::images
