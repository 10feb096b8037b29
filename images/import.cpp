#include "images/import.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>

#include "images/ahead.h"
#include "images/blobs.h"
#include "images/image_format.h"
#include "images/manifest.h"

namespace milonga::images {
namespace {

class Import {
 public:
  Import(Store& store, const ImportPlan& plan)
      : store_(store), plan_(plan), meter_(plan.limits, plan.on_progress) {}

  Result<Imported> run() {
    // Not blocking: a FIFO would wait for its writer.
    const UniqueFd from(::open(plan_.path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat st {};
    if (!from.valid() || ::fstat(from.get(), &st) != 0) return fail_errno("open", plan_.path);
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return fail("neither a file nor a directory");
    if (!plan_.name.empty()) TRY(check_image_name(plan_.name));
    Draft draft = TRY(store_.begin());
    Tree tree(TRY(draft.make_root()));
    TRY(S_ISDIR(st.st_mode) ? directory(from.get(), tree)
                            : archive(from.get(), static_cast<std::uint64_t>(st.st_size), draft, tree));
    return finish(draft, tree);
  }

 private:
  Result<> directory(int from, Tree& tree) {
    if (const auto blobs = blobs_of_directory(from)) return layers(*blobs, tree);
    record_.format = "directory";
    return apply_directory(from, tree, meter_, plan_.devices);
  }

  Result<> archive(int from, std::uint64_t size, const Draft& draft, Tree& tree) {
    Meter looking(plan_.limits, plan_.on_progress);
    looking.expect(size);
    if (const auto blobs = TRY(blobs_of_archive(from, draft.directory(), looking)))
      return layers(*blobs, tree);
    record_.format = "rootfs";
    meter_.expect(size);
    FileSource file(from, 0, size, meter_);
    const auto unpacked = TRY(UnpackingSource::open(file, meter_));
    TailSource tail(*unpacked);
    AheadSource ahead(tail);
    TRY(apply_layer(ahead, tree, meter_, plan_.devices));
    TRY(ahead.drain());
    if (!tail.ends_in_zeros()) return fail("truncated: it ends without the zeros at a tar's end");
    return {};
  }

  Result<> layers(Blobs& blobs, Tree& tree) {
    record_.format = blobs.has("manifest.json") ? "docker-archive" : "oci";
    const ImageRef image = TRY(read_image(blobs, plan_.reference, host_architecture()));
    record_.reference = image.reference;
    record_.architecture = image.architecture;
    record_.config_sha256 = image.config_sha256;
    record_.layers = image.layers.size();
    for (const LayerRef& layer : image.layers) meter_.expect(TRY(blobs.open(layer.blob)).size);
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      const Result<> applied = one_layer(blobs, image.layers[i], tree);
      if (!applied)
        return fail(fmt::format("layer {} of {}: {}", i + 1, image.layers.size(), applied.error().what),
                    applied.error().hint);
    }
    return {};
  }

  Result<> one_layer(Blobs& blobs, const LayerRef& layer, Tree& tree) {
    const Blob blob = TRY(blobs.open(layer.blob));
    FileSource file(blob.fd, blob.offset, blob.size, meter_);
    HashingSource packed(file);
    // A tar that is not compressed has one digest, which is enough to take once.
    const bool twice = !layer.blob_sha256.empty() && layer.blob_sha256 != layer.diff_sha256;
    const auto unpacked = TRY(UnpackingSource::open(twice ? static_cast<Source&>(packed) : file, meter_));
    HashingSource tar(*unpacked);
    AheadSource ahead(tar);
    TRY(apply_layer(ahead, tree, meter_, plan_.devices));
    TRY(ahead.drain());
    const std::string tar_sha256 = TRY(tar.digest());
    TRY(check("wrong digest of the tar", tar_sha256, layer.diff_sha256));
    return twice ? check("wrong digest", TRY(packed.digest()), layer.blob_sha256) : Result<>();
  }

  static Result<> check(const char* what, const std::string& is, const std::string& wanted) {
    if (is == wanted) return {};
    return fail(fmt::format("{}: it is sha256:{}, not sha256:{}", what, is, wanted),
                "damaged or changed: get it again");
  }

  Result<Imported> finish(Draft& draft, Tree& tree) {
    Imported imported;
    imported.name = !plan_.name.empty()          ? plan_.name
                    : !record_.reference.empty() ? name_of_reference(record_.reference)
                                                 : name_of_file(plan_.path);
    TRY(check_image_name(imported.name));
    const UniqueFd manifest(
        ::openat(draft.directory(), "manifest", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!manifest.valid()) return fail_errno("write", "the image's manifest");
    std::vector<FileDigest> digests = tree.take_digests();
    const ManifestSum sum = TRY(write_manifest(tree.root(), &digests, manifest.get()));
    if (sum.entries == 0) return fail("it is empty");
    record_.id = sum.id;
    record_.bytes = sum.bytes;
    record_.entries = sum.entries;
    record_.source = plan_.source.empty() ? plan_.path : plan_.source;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    record_.imported_ms = std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
    imported.published = TRY(store_.publish(draft, imported.name, record_));
    imported.record = record_;
    return imported;
  }

  Store& store_;
  const ImportPlan& plan_;
  Meter meter_;
  ImageRecord record_;
};

}  // namespace

std::string name_of_reference(std::string_view reference) {
  reference = reference.substr(0, reference.find('@'));
  const std::size_t slash = reference.rfind('/');
  if (slash != std::string_view::npos) reference.remove_prefix(slash + 1);
  if (reference.ends_with(":latest")) reference.remove_suffix(7);
  return std::string(reference);
}

std::string name_of_file(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  for (const std::string_view packing : {".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".Z"})
    if (path.ends_with(packing)) path.remove_suffix(packing.size());
  for (const std::string_view kind : {".tar", ".tgz", ".txz", ".oci", ".zip"})
    if (path.ends_with(kind)) path.remove_suffix(kind.size());
  return std::string(path);
}

Result<Imported> import_image(Store& store, const ImportPlan& plan) {
  return Import(store, plan).run();
}

}  // namespace milonga::images
