// What an image says of itself: docker save's manifest.json, or an OCI index, its
// manifest and its configuration, each held against its digest.
//
// OCI image specification 1.1 (manifest.md, config.md, image-layout.md); Docker image
// specification 1.2 ("Combined Image JSON + Filesystem Changeset Format").
//
// Privilege: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "images/blobs.h"

namespace milonga::images {

struct LayerRef {
  std::string blob;         // its name among the blobs
  std::string blob_sha256;  // hex, of the blob as it is; empty: not told
  std::string diff_sha256;  // hex, of the tar in it
};

struct ImageRef {
  std::vector<LayerRef> layers;  // lowest first
  std::string config_sha256;     // what engines call the image's id (hex)
  std::string reference;         // as "course/tango:v2"; empty: not told
  std::string architecture;      // as Go names it: amd64
};

// The one image of an archive; of several that whose reference is `wanted` (empty: any, if there is one only;
// of an OCI index the one for `architecture`).
Result<ImageRef> read_image(Blobs& blobs, std::string_view wanted, std::string_view architecture);

// This machine's, as Go names it.
std::string host_architecture();

}  // namespace milonga::images
