#include "images/image_format.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <boost/json.hpp>

#include "base/sha256.h"
#include "images/entry_path.h"

namespace milonga::images {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostLayers = 500;  // engines stop at 127
constexpr int kDeepestIndex = 3;

Result<json::value> parse(const std::string& text, const std::string& name) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 32;
  json::value value = json::parse(text, error, {}, options);
  if (error) return fail("'" + name + "' is not JSON: " + error.message());
  return value;
}

Result<json::value> read_json(Blobs& blobs, const std::string& name) {
  return parse(TRY(blobs.text(name)), name);
}

// The field of an object, or null.
const json::value* field(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

std::string text_field(const json::value& value, std::string_view name) {
  const json::value* found = field(value, name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

Result<std::vector<std::string>> text_list(const json::value& value, std::string_view name,
                                           const std::string& where) {
  const json::value* found = field(value, name);
  const json::array* array = found == nullptr ? nullptr : found->if_array();
  if (array == nullptr) return fail(fmt::format("'{}' has no list {}", where, name));
  std::vector<std::string> texts;
  for (const json::value& item : *array) {
    if (!item.is_string()) return fail(fmt::format("'{}': {} is no list of texts", where, name));
    texts.emplace_back(item.get_string());
  }
  return texts;
}

bool is_sha256(std::string_view hex) {
  return hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::string> hex_of(const std::string& digest, const std::string& where) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!digest.starts_with(kPrefix) || !is_sha256(std::string_view(digest).substr(kPrefix.size())))
    return fail(fmt::format("'{}' has the digest '{}'", where, digest),
                "only sha256: and 64 hex digits can be verified");
  return digest.substr(kPrefix.size());
}

Result<json::value> verified(Blobs& blobs, const std::string& name, const std::string& sha256) {
  const std::string text = TRY(blobs.text(name));
  const std::string is = sha256_hex(text);
  if (is != sha256)
    return fail(fmt::format("entry '{}': wrong digest: it is sha256:{}, not sha256:{}", name, is, sha256));
  return parse(text, name);
}

std::string blob_name(const std::string& sha256) {
  return "blobs/sha256/" + sha256;
}

// The layers' own digests, from the configuration.
Result<> take_config(ImageRef& image, const json::value& config, const std::string& name) {
  image.architecture = text_field(config, "architecture");
  const json::value* rootfs = field(config, "rootfs");
  if (rootfs == nullptr) return fail("'" + name + "' has no rootfs");
  const auto diffs = TRY(text_list(*rootfs, "diff_ids", name));
  if (diffs.size() != image.layers.size() || diffs.size() > kMostLayers)
    return fail(
        fmt::format("'{}' tells of {} layers, the manifest of {}", name, diffs.size(), image.layers.size()));
  for (std::size_t i = 0; i < diffs.size(); ++i) image.layers[i].diff_sha256 = TRY(hex_of(diffs[i], name));
  return {};
}

Result<ImageRef> read_docker(Blobs& blobs, std::string_view wanted) {
  const std::string kName = "manifest.json";
  const json::value manifest = TRY(read_json(blobs, kName));
  const json::array* images = manifest.if_array();
  if (images == nullptr || images->empty()) return fail("'manifest.json' has no image");
  const json::value* chosen = nullptr;
  std::string references;
  for (const json::value& image : *images) {
    const auto tags = text_list(image, "RepoTags", kName);
    for (const std::string& tag : tags ? *tags : std::vector<std::string>()) {
      references += (references.empty() ? "" : ", ") + tag;
      if (tag == wanted) chosen = &image;
    }
  }
  if (wanted.empty() && images->size() == 1) chosen = &images->front();
  if (chosen == nullptr)
    return fail(wanted.empty() ? "it holds several images" : fmt::format("it holds no image '{}'", wanted),
                "choose by --ref: " + (references.empty() ? "none has a name" : references));
  ImageRef image;
  const auto tags = text_list(*chosen, "RepoTags", kName);
  image.reference = !wanted.empty() ? std::string(wanted) : tags && !tags->empty() ? tags->front() : "";
  for (const std::string& layer : TRY(text_list(*chosen, "Layers", kName)))
    image.layers.push_back({TRY(clean_path(layer)), {}, {}});
  const std::string config = TRY(clean_path(text_field(*chosen, "Config")));
  // The file is named after its digest: "HEX.json", "blobs/sha256/HEX" or "sha256:HEX".
  std::string hex(leaf_of(config));
  if (hex.starts_with("sha256:")) hex.erase(0, 7);
  if (hex.ends_with(".json")) hex.erase(hex.size() - 5);
  if (!is_sha256(hex)) return fail("the configuration '" + config + "' is not named after its sha256");
  image.config_sha256 = hex;
  const json::value described = TRY(verified(blobs, config, hex));
  TRY(take_config(image, described, config));
  return image;
}

// The manifest of a list that is for this machine and of that name.
Result<json::value> choose(const json::array& manifests, std::string_view wanted,
                           std::string_view architecture) {
  std::vector<json::value> fitting;
  std::string others;
  for (const json::value& manifest : manifests) {
    const json::value* platform = field(manifest, "platform");
    const std::string is_for = platform == nullptr ? "" : text_field(*platform, "architecture");
    const json::value* notes = field(manifest, "annotations");
    const std::string name = notes == nullptr ? "" : text_field(*notes, "org.opencontainers.image.ref.name");
    if ((is_for.empty() || is_for == architecture) && (wanted.empty() || wanted == name))
      fitting.push_back(manifest);
    if (!name.empty() || !is_for.empty())
      others += (others.empty() ? "" : ", ") + (name.empty() ? is_for : name);
  }
  if (fitting.size() == 1) return fitting.front();
  return fail(fitting.empty() ? fmt::format("it holds no image {}for {}",
                                            wanted.empty() ? "" : std::string(wanted) + " ", architecture)
                              : "it holds several images",
              "it has: " + (others.empty() ? "none with a name" : others) + "; choose by --ref");
}

Result<ImageRef> read_oci(Blobs& blobs, std::string_view wanted, std::string_view architecture) {
  json::value index = TRY(read_json(blobs, "index.json"));
  ImageRef image;
  std::string name = "index.json";
  for (int level = 0;; ++level) {
    const json::value* manifests = field(index, "manifests");
    if (manifests == nullptr) break;
    if (level == kDeepestIndex) return fail("'" + name + "' leads from index to index");
    if (!manifests->is_array()) return fail("'" + name + "' has no list manifests");
    const json::value chosen = TRY(choose(manifests->get_array(), level == 0 ? wanted : "", architecture));
    if (const json::value* notes = field(chosen, "annotations"); notes != nullptr && level == 0) {
      image.reference = text_field(*notes, "io.containerd.image.name");
      if (image.reference.empty()) image.reference = text_field(*notes, "org.opencontainers.image.ref.name");
    }
    const std::string hex = TRY(hex_of(text_field(chosen, "digest"), name));
    name = blob_name(hex);
    index = TRY(verified(blobs, name, hex));
  }
  const json::value* config = field(index, "config");
  const json::value* layers = field(index, "layers");
  if (config == nullptr || layers == nullptr || !layers->is_array())
    return fail("'" + name + "' is no manifest of an image");
  for (const json::value& layer : layers->get_array()) {
    const std::string hex = TRY(hex_of(text_field(layer, "digest"), name));
    image.layers.push_back({blob_name(hex), hex, {}});
  }
  image.config_sha256 = TRY(hex_of(text_field(*config, "digest"), name));
  const json::value described = TRY(verified(blobs, blob_name(image.config_sha256), image.config_sha256));
  TRY(take_config(image, described, "the configuration"));
  return image;
}

}  // namespace

Result<ImageRef> read_image(Blobs& blobs, std::string_view wanted, std::string_view architecture) {
  ImageRef image = blobs.has("manifest.json") ? TRY(read_docker(blobs, wanted))
                                              : TRY(read_oci(blobs, wanted, architecture));
  if (image.layers.empty()) return fail("the image has no layers");
  if (!image.architecture.empty() && image.architecture != architecture)
    return fail(fmt::format("an image for {}, and this machine is {}", image.architecture, architecture));
  return image;
}

std::string host_architecture() {
  utsname name{};
  ::uname(&name);
  const std::string machine = name.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

}  // namespace milonga::images
