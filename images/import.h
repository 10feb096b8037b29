// Makes an image of the store from what people have: the archive of `docker save`, an
// OCI layout or archive, the tar of a root file system, a directory.
//
// Nothing of it is believed: digests are verified, sizes counted, paths resolved by the
// kernel beneath the new root (tree.h). A bad one is refused with one line that names
// the entry and the rule, and nothing of it is left.
//
// Privilege: none (the caller's).
#pragma once

#include <string>

#include "base/result.h"
#include "images/layer.h"
#include "images/limits.h"
#include "images/store.h"

namespace milonga::images {

struct ImportPlan {
  std::string path;       // a file or directory
  std::string source;     // what its record says instead of the path, if not empty
  std::string name;       // empty: from its reference, else from its file name
  std::string reference;  // which one of an archive that holds several
  Limits limits;
  Devices devices = Devices::refuse;
  OnProgress on_progress;
};

struct Imported {
  std::string name;
  ImageRecord record;
  Published published;
};

// Expects a umask that takes nothing from the owner, such as 022.
Result<Imported> import_image(Store& store, const ImportPlan& plan);

// "tango" of "registry.example.org/course/tango:latest", "tango:v2" of "tango:v2"; of a file its name without
// ".tar.gz" and the like.
std::string name_of_reference(std::string_view reference);
std::string name_of_file(std::string_view path);

}  // namespace milonga::images
