// What an image consists of, as a text with a line for each entry; the image's id is
// the SHA-256 of that text. So two imports of the same content are one image, and a
// tree that was changed since can be told, and where.
//
// A line: TYPE MODE MTIME SIZE SHA256 PATH [-> TARGET], in the order of a walk with
// sorted names; TYPE d, f or l; "-" for what does not apply. Bytes of a path below 33,
// above 126 and the backslash are \xHH.
//
// Privilege: none (the caller's).
#pragma once

#include <string>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/result.h"
#include "images/tree.h"

namespace milonga::images {

struct ManifestSum {
  std::string id;  // SHA-256, hex
  std::uint64_t entries = 0, bytes = 0;
};

// Writes the manifest of the tree to `to`. With the digests of its files (which are
// sorted), or null: then the files are read.
Result<ManifestSum> write_manifest(int root, std::vector<FileDigest>* digests, int to);

// The lines that differ, at most `most`: "changed: usr/bin/make". Empty: all is as it was.
Result<std::vector<std::string>> compare_manifest(int root, int manifest, std::size_t most);

}  // namespace milonga::images
