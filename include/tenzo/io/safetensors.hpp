// safetensors: the model format of the Hugging Face libraries, one file or a folder of shards. Needs nlohmann-json.
//
//   file    u64 length of the header, header, data
//   header  JSON: {"__metadata__": {text: text}, name: {"dtype": text, "shape": [n, ...], "data_offsets": [begin,
//   end]}}
//           offsets count from the start of the data; the tensors cover the data without a gap or an overlap
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/stored.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/named_tensors.hpp"

namespace tenzo {

namespace detail {

struct SafetensorsType {
  DType dtype;
  std::string_view name;
};

/// The names of the plain formats, in the field's order of alignment.
inline constexpr SafetensorsType safetensors_types[] = {
    {DType::boolean, "BOOL"}, {DType::u8, "U8"},     {DType::i8, "I8"},   {DType::i16, "I16"}, {DType::u16, "U16"},
    {DType::f16, "F16"},      {DType::bf16, "BF16"}, {DType::i32, "I32"}, {DType::u32, "U32"}, {DType::f32, "F32"},
    {DType::f64, "F64"},      {DType::i64, "I64"},   {DType::u64, "U64"},
};

inline constexpr std::uint64_t safetensors_longest_header = 100'000'000;  // the field's own limit

using Json = nlohmann::json;

/// Parses a JSON object of objects without ever holding more than one member of a member.
///   `take(outer, inner, value)` is called for each inner value, `done(outer)` after each outer object. Inner values
///   are texts, numbers, or short flat lists; anything else is an error.
template <class Take, class Done>
void read_json_of_objects(std::string_view text, const std::string& path, std::int64_t offset, Take&& take,
                          Done&& done) {
  constexpr int longest_list = 64;
  std::string outer, inner;
  int items = 0;
  const auto fail = [&](const auto&... why) { throw FileError(path, offset, cat("the JSON ", why...)); };

  using Event = Json::parse_event_t;
  const auto on = [&](int depth, Event event, Json& value) {
    switch (event) {
      case Event::key: (depth == 1 ? outer : inner) = value.get<std::string>(); return true;
      case Event::object_start:
        if (depth > 1) fail("is nested too deep at ", printable(outer));
        return true;
      case Event::array_start:
        if (depth == 0) fail("is a list; want an object");
        if (depth == 1) fail("holds a list under ", printable(outer), "; want an object");
        if (depth > 2) fail("is nested too deep at ", printable(outer));
        items = 0;
        return true;
      case Event::object_end:
        if (depth == 1) done(outer);
        return false;
      case Event::array_end: take(outer, inner, value); return false;
      case Event::value:
        if (depth == 0) fail("is no object");
        if (depth == 1) fail("holds no object under ", printable(outer));
        if (depth == 2) take(outer, inner, value);
        else if (++items > longest_list)
          fail("holds a list of more than ", longest_list, " items at ", printable(outer));
        return depth > 2;
    }
    return true;
  };
  try {
    [[maybe_unused]] const Json nothing = Json::parse(text.begin(), text.end(), on);
  } catch (const Json::parse_error& e) {
    throw FileError(path, offset + std::int64_t(e.byte), "is not valid JSON here");
  } catch (const Json::exception&) {  // a number beyond all doubles
    throw FileError(path, offset, "the JSON holds a number that is out of range");
  }
}

/// The files of an index of shards, each with the tensors that it must hold (false: not yet seen).
TENZO_COMPILED std::map<std::string, std::map<std::string, bool>> read_shard_index(std::string_view text,
                                                                                   const std::string& path);

#if TENZO_DEFINES(json)
TENZO_COMPILED std::map<std::string, std::map<std::string, bool>> read_shard_index(std::string_view text,
                                                                                   const std::string& path) {
  std::map<std::string, std::map<std::string, bool>> shards;
  read_json_of_objects(
      text, path, 0,
      [&](const std::string& section, const std::string& name, const Json& value) {
        if (section != "weight_map") return;
        if (!value.is_string()) throw FileError(path, -1, cat("weight_map: ", printable(name), " is no file name"));
        const auto shard = value.get<std::string>();
        if (shard.empty() || shard == "." || shard == ".." ||
            shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
          throw FileError(path, -1, cat("weight_map: ", printable(shard), " is not a file beside the index"));
        shards[shard][name] = false;
      },
      [](const std::string&) {});
  if (shards.empty()) throw FileError(path, -1, "has no weight_map");
  return shards;
}
#endif

}  // namespace detail

/// A safetensors file, or a folder with one or with shards and their index: tensors that are views into the files.
///   Offsets, shapes and sizes are checked before use; the tensors must cover the data without a gap or an overlap.
///   Memory stays below a small multiple of the header's size. Anything wrong throws FileError.
class SafetensorsFile {
 public:
  using Metadata = std::map<std::string, std::string>;

  /// A file; an index (`*.index.json`) of shards beside it; or a folder with `model.safetensors.index.json` or
  /// `model.safetensors`.
  static SafetensorsFile open(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) return path.ends_with(".index.json") ? open_shards(path) : open_file(path);
    const fs::path folder(path);
    if (const fs::path index = folder / "model.safetensors.index.json"; fs::exists(index, ignored))
      return open_shards(index.string());
    if (const fs::path file = folder / "model.safetensors"; fs::exists(file, ignored)) return open_file(file.string());
    throw FileError(path, -1, "holds neither model.safetensors nor model.safetensors.index.json");
  }
  /// A file that lies in memory; `keep` owns the bytes, `path` is its name in errors.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::shared_ptr<const void> keep,
                               const std::string& path) {
    SafetensorsFile file;
    file.path_ = path;
    file.tensors_ = NamedTensors(file.read(bytes, keep, path));
    return file;
  }

  const std::string& path() const { return path_; }
  const Metadata& metadata() const { return metadata_; }
  const NamedTensors& tensors() const { return tensors_; }

  /// A tensor that must be there.
  const StoredTensor& tensor(std::string_view name) const {
    const StoredTensor* t = tensors_.find(name);
    if (!t) throw FileError(path_, -1, cat("has no tensor ", printable(name)));
    return *t;
  }

  /// Lets go of the pages of a part of the file that has been read; it stays valid.
  void release(std::span<const std::byte> part) const {
    for (const auto& map : maps_) map->advise_dont_need(part);
  }

 private:
  struct Info {
    std::string dtype;
    std::vector<std::uint64_t> shape, offsets;
    bool has_shape = false;
  };
  struct Placed {
    std::uint64_t begin, end;
    std::size_t tensor;
    auto operator<=>(const Placed&) const = default;
  };

  static SafetensorsFile open_file(const std::string& path) {
    auto map = MappedFile::open(path);
    SafetensorsFile file = parse(map->bytes(), map, path);
    file.maps_.push_back(std::move(map));
    return file;
  }

  TENZO_COMPILED static SafetensorsFile open_shards(const std::string& path);

  TENZO_COMPILED std::vector<NamedTensor> read(std::span<const std::byte> bytes,
                                               const std::shared_ptr<const void>& keep, const std::string& path);

  static std::vector<std::uint64_t> numbers(const ByteReader& in, const std::string& name, const std::string& member,
                                            const detail::Json& value) {
    std::vector<std::uint64_t> r;
    if (!value.is_array()) in.fail(8, "tensor ", printable(name), ": ", member, " is no list");
    for (const auto& x : value) {
      if (!x.is_number_unsigned()) in.fail(8, "tensor ", printable(name), ": ", member, " holds no whole number");
      r.push_back(x.get<std::uint64_t>());
    }
    return r;
  }

  static NamedTensor place(const ByteReader& in, const std::string& name, const Info& info,
                           std::span<const std::byte> data, const std::shared_ptr<const void>& keep) {
    const auto fail = [&](const auto&... why) { in.fail(8, "tensor ", printable(name), ": ", why...); };
    if (info.dtype.empty() || !info.has_shape || info.offsets.size() != 2)
      fail("the header lacks its dtype, its shape, or its two data_offsets");
    const auto* type = std::ranges::find(detail::safetensors_types, info.dtype, &detail::SafetensorsType::name);
    if (type == std::end(detail::safetensors_types)) fail("dtype ", printable(info.dtype), " is not supported");
    if (info.shape.size() > std::size_t(Shape::max_rank))
      fail("rank ", info.shape.size(), "; at most ", Shape::max_rank);

    std::int64_t extents[Shape::max_rank], nonzero = dtype_info(type->dtype).bytes, bytes = nonzero;
    for (std::size_t i = 0; i < info.shape.size(); ++i) {
      extents[i] = std::int64_t(info.shape[i]);
      if (extents[i] < 0 || __builtin_mul_overflow(nonzero, std::max<std::int64_t>(1, extents[i]), &nonzero))
        fail("extent ", i, " is ", info.shape[i], ", out of range");
      bytes *= extents[i];
    }
    const std::uint64_t begin = info.offsets[0], end = info.offsets[1];
    if (begin > end || end > data.size())
      fail("data_offsets [", begin, ", ", end, "] are not within the file's ", data.size(), " bytes of data");
    if (end - begin != std::uint64_t(bytes))
      fail("data_offsets [", begin, ", ", end, "] hold ", end - begin, " bytes; dtype and shape want ", bytes);
    const Shape shape(std::span<const std::int64_t>(extents, info.shape.size()));
    return {name, StoredTensor::view(type->dtype, shape, data.subspan(begin, end - begin), keep)};
  }

  std::string path_;
  Metadata metadata_;
  NamedTensors tensors_;
  std::vector<std::shared_ptr<const MappedFile>> maps_;
};

#if TENZO_DEFINES(json)
TENZO_COMPILED SafetensorsFile SafetensorsFile::open_shards(const std::string& path) {
  const auto index = MappedFile::open(path);
  auto shards =
      detail::read_shard_index({reinterpret_cast<const char*>(index->bytes().data()), index->bytes().size()}, path);

  SafetensorsFile set;
  set.path_ = path;
  std::vector<NamedTensor> all;
  for (auto& [shard, names] : shards) {
    const std::string file = (std::filesystem::path(path).parent_path() / shard).string();
    auto map = MappedFile::open(file);
    for (NamedTensor& t : set.read(map->bytes(), map, file)) {
      const auto it = names.find(t.name);
      if (it == names.end())
        throw FileError(file, -1, cat("holds ", printable(t.name), ", which the index does not name"));
      it->second = true;
      all.push_back(std::move(t));
    }
    for (const auto& [name, seen] : names)
      if (!seen) throw FileError(file, -1, cat("has no tensor ", printable(name), ", which the index names"));
    set.maps_.push_back(std::move(map));
  }
  set.tensors_ = NamedTensors(std::move(all));
  return set;
}

TENZO_COMPILED std::vector<NamedTensor> SafetensorsFile::read(std::span<const std::byte> bytes,
                                                              const std::shared_ptr<const void>& keep,
                                                              const std::string& path) {
  ByteReader in(bytes, path);
  const auto n = in.number<std::uint64_t>("the length of the header");
  if (n > detail::safetensors_longest_header)
    in.fail(0, "a header of ", n, " bytes; at most ", detail::safetensors_longest_header);
  const auto header = in.take(n, "the header");
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  if (!text.starts_with('{')) in.fail(8, "the header does not begin with '{': not a safetensors file");

  std::vector<NamedTensor> tensors;
  std::vector<Placed> placed;
  std::unordered_set<std::string> seen;
  Info info;
  detail::read_json_of_objects(
      text, path, 8,
      [&](const std::string& name, const std::string& member, const detail::Json& value) {
        if (name == "__metadata__") {
          if (!value.is_string()) in.fail(8, "__metadata__: ", printable(member), " is no text");
          metadata_.emplace(member, value.get<std::string>());
        } else if (member == "dtype" && value.is_string()) info.dtype = value.get<std::string>();
        else if (member == "shape") info.shape = numbers(in, name, member, value), info.has_shape = true;
        else if (member == "data_offsets") info.offsets = numbers(in, name, member, value);
      },
      [&](const std::string& name) {
        if (!seen.insert(name).second) in.fail(8, printable(name), " comes twice in the header");
        if (name != "__metadata__") {
          tensors.push_back(place(in, name, info, bytes.subspan(in.position()), keep));
          placed.push_back({info.offsets[0], info.offsets[1], tensors.size() - 1});
        }
        info = {};
      });

  std::ranges::sort(placed);
  std::uint64_t end = 0;
  for (const Placed& p : placed) {
    if (p.begin != end)
      in.fail(in.position() + std::min(end, p.begin), "tensor ", printable(tensors[p.tensor].name), " begins at ",
              p.begin, (p.begin < end ? ", within the one before it, which ends at " : ", after a gap from "), end);
    end = p.end;
  }
  if (end != in.remaining())
    in.fail(in.position() + end, "the tensors end here, the data ", in.remaining() - end, " bytes later");
  return tensors;
}
#endif

}  // namespace tenzo
