// GGUF: the model format of llama.cpp, versions 2 and 3, read from a mapping.
//
//   file      "GGUF", u32 version, u64 number of tensors, u64 number of keys,
//             keys (text, u32 type, value), tensor infos (text name, u32 rank, u64 extents innermost first, u32 type,
//             u64 offset from the start of the data), data from the next multiple of the alignment on
//   text      u64 length, bytes
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
#include "tenzo/io/gguf_value.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/named_tensors.hpp"

namespace tenzo {

namespace detail {

struct GgmlType {
  DType dtype;
  std::uint32_t number;
};

/// The numbers of the stored formats in tensor infos.
inline constexpr GgmlType ggml_types[] = {
    {DType::f32, 0},  {DType::f16, 1},   {DType::q4_0, 2},  {DType::q4_1, 3},  {DType::q5_0, 6}, {DType::q5_1, 7},
    {DType::q8_0, 8}, {DType::q4_k, 12}, {DType::q5_k, 13}, {DType::q6_k, 14}, {DType::i8, 24},  {DType::i16, 25},
    {DType::i32, 26}, {DType::i64, 27},  {DType::f64, 28},  {DType::bf16, 30},
};

inline constexpr std::uint32_t gguf_magic = 0x46554747;  // "GGUF"
inline constexpr std::uint64_t gguf_default_alignment = 32;

}  // namespace detail

/// A GGUF file: its metadata and its tensors, which are views into the file.
///   Extents are in the order of tenzo, outermost first: the reverse of the file's.
///   Every length, offset and product is checked against the file's size before use, and memory stays below a small
///   multiple of that size; anything wrong throws FileError with the path, the byte and the reason.
class GgufFile {
 public:
  static GgufFile open(const std::string& path) {
    auto map = MappedFile::open(path);
    GgufFile file(map->bytes(), map, path);
    file.map_ = std::move(map);
    return file;
  }
  /// A file that lies in memory; `keep` owns the bytes, `path` is its name in errors.
  static GgufFile parse(std::span<const std::byte> bytes, std::shared_ptr<const void> keep, const std::string& path) {
    return GgufFile(bytes, std::move(keep), path);
  }

  const std::string& path() const { return path_; }
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  const GgufMetadata& metadata() const { return metadata_; }
  const NamedTensors& tensors() const { return tensors_; }

  /// A tensor that must be there.
  const StoredTensor& tensor(std::string_view name) const {
    const StoredTensor* t = tensors_.find(name);
    if (!t) throw FileError(path_, -1, cat("has no tensor ", printable(name)));
    return *t;
  }

  /// A key's value; where the key is missing, the fallback if there is one. Throws FileError where the key is missing
  /// or its value has another type.
  std::int64_t integer(std::string_view key, std::optional<std::int64_t> fallback = {}) const {
    return get(key, fallback, [](const GgufValue& v) { return v.integer(); });
  }
  double number(std::string_view key, std::optional<double> fallback = {}) const {
    return get(key, fallback, [](const GgufValue& v) { return v.number(); });
  }
  bool boolean(std::string_view key, std::optional<bool> fallback = {}) const {
    return get(key, fallback, [](const GgufValue& v) { return v.boolean(); });
  }
  std::string text(std::string_view key, std::optional<std::string> fallback = {}) const {
    return get(key, fallback, [](const GgufValue& v) { return std::string(v.text()); });
  }
  /// An array of texts that point into the file.
  std::vector<std::string_view> texts(std::string_view key) const {
    return get(key, std::optional<std::vector<std::string_view>>{}, [](const GgufValue& v) { return v.texts(); });
  }

  /// Lets go of the pages of a part of the file that has been read; it stays valid.
  void release(std::span<const std::byte> part) const {
    if (map_) map_->advise_dont_need(part);
  }

 private:
  struct Info {
    std::string_view name;
    std::uint64_t at;  // where the info begins
    Shape shape;
    DType dtype;
    std::uint64_t offset, bytes;
  };

  TENZO_COMPILED GgufFile(std::span<const std::byte> bytes, std::shared_ptr<const void> keep, std::string path);

  void read_metadata(ByteReader& in, std::uint64_t n, const std::shared_ptr<const void>& keep) {
    std::unordered_set<std::string_view> seen;
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint64_t at = in.position();
      const std::string_view key = in.text("a key");
      if (key.empty()) in.fail(at, "an empty key");
      if (!seen.insert(key).second) in.fail(at, "the key ", printable(key), " comes twice");
      const GgufType type = GgufValue::read_type(in, "the type of a value");
      const std::uint64_t value_at = in.position();
      metadata_.append(std::string(key), GgufValue::read(in, type, keep));
      if (key == "general.alignment") {
        const std::uint64_t a = type == GgufType::u32 ? metadata_.find(key)->integer() : 0;
        if (!std::has_single_bit(a)) in.fail(value_at, "general.alignment must be a power of 2 of type u32");
        alignment_ = a;
      }
    }
  }

  std::vector<Info> read_infos(ByteReader& in, std::uint64_t n) const {
    std::vector<Info> infos;
    std::unordered_set<std::string_view> seen;
    for (std::uint64_t i = 0; i < n; ++i) {
      Info& info = infos.emplace_back();
      info.at = in.position();
      info.name = in.text("a tensor's name");
      if (!seen.insert(info.name).second) in.fail(info.at, "the tensor ", printable(info.name), " comes twice");
      read_layout(in, info);
    }
    return infos;
  }

  void read_layout(ByteReader& in, Info& info) const {
    const std::uint64_t shape_at = in.position();
    const auto rank = in.number<std::uint32_t>("a tensor's rank");
    if (rank > 4) in.fail(shape_at, "tensor ", printable(info.name), " has rank ", rank, "; at most 4");
    std::array<std::int64_t, 4> extents{};
    std::int64_t elements = 1;
    for (std::uint32_t k = 0; k < rank; ++k) {
      const auto n = in.number<std::int64_t>("a tensor's extents");
      if (n <= 0 || __builtin_mul_overflow(elements, n, &elements))
        in.fail(shape_at, "tensor ", printable(info.name), ": extent ", k, " is ", std::uint64_t(n), ", out of range");
      extents[rank - 1 - k] = n;
    }
    info.shape = Shape(std::span<const std::int64_t>(extents.data(), rank));

    const std::uint64_t type_at = in.position();
    const auto number = in.number<std::uint32_t>("a tensor's type");
    const auto* type = std::ranges::find(detail::ggml_types, number, &detail::GgmlType::number);
    if (type == std::end(detail::ggml_types))
      in.fail(type_at, "tensor ", printable(info.name), " has type ", number, ", which is not supported");
    info.dtype = type->dtype;
    const auto [name, block, bytes] = dtype_info(info.dtype);
    const std::int64_t cols = rank == 0 ? 1 : info.shape[int(rank) - 1];
    std::int64_t total;
    if (cols % block != 0)
      in.fail(type_at, "tensor ", printable(info.name), ": rows of ", cols, " elements are no whole blocks of ", block,
              " (", name, ')');
    if (__builtin_mul_overflow(elements / block, bytes, &total))
      in.fail(type_at, "tensor ", printable(info.name), " has more bytes than 63 bits count");
    info.bytes = std::uint64_t(total);

    const std::uint64_t offset_at = in.position();
    info.offset = in.number<std::uint64_t>("a tensor's offset");
    if (info.offset % alignment_ != 0)
      in.fail(offset_at, "tensor ", printable(info.name), ": offset ", info.offset, " is no multiple of ", alignment_);
  }

  /// Makes views of the data, which starts at the next multiple of the alignment, and sees that they are disjoint.
  void place(const ByteReader& in, const std::vector<Info>& infos, std::span<const std::byte> bytes,
             const std::shared_ptr<const void>& keep) {
    if (infos.empty()) return;
    const std::uint64_t skip = (alignment_ - in.position() % alignment_) % alignment_;
    if (skip > in.remaining()) in.fail(in.position(), "the file ends before the tensors' data");
    const auto data = bytes.subspan(in.position() + skip);

    std::vector<NamedTensor> tensors;
    std::vector<const Info*> order;
    for (const Info& info : infos) {
      if (info.offset > data.size() || info.bytes > data.size() - info.offset)
        in.fail(info.at, "tensor ", printable(info.name), ": ", info.bytes, " bytes at data offset ", info.offset,
                " reach beyond the end of the file (", data.size(), " bytes of data)");
      tensors.push_back({std::string(info.name),
                         StoredTensor::view(info.dtype, info.shape, data.subspan(info.offset, info.bytes), keep)});
      order.push_back(&info);
    }
    std::ranges::sort(order, {}, &Info::offset);
    for (std::size_t i = 1; i < order.size(); ++i)
      if (order[i]->offset - order[i - 1]->offset < order[i - 1]->bytes)
        in.fail(order[i]->at, "tensor ", printable(order[i]->name), " overlaps ", printable(order[i - 1]->name));
    tensors_ = NamedTensors(std::move(tensors));
  }

  template <class T, class F>
  T get(std::string_view key, const std::optional<T>& fallback, F&& read) const {
    const GgufValue* v = metadata_.find(key);
    if (!v) {
      if (fallback) return *fallback;
      throw FileError(path_, -1, cat("has no key ", printable(key)));
    }
    try {
      return read(*v);
    } catch (const ValueError& e) {
      throw FileError(path_, -1, cat("key ", printable(key), ": ", e.what()));
    }
  }

  std::string path_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = detail::gguf_default_alignment;
  GgufMetadata metadata_;
  NamedTensors tensors_;
  std::shared_ptr<const MappedFile> map_;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED GgufFile::GgufFile(std::span<const std::byte> bytes, std::shared_ptr<const void> keep, std::string path)
    : path_(std::move(path)) {
  ByteReader in(bytes, path_);
  if (in.number<std::uint32_t>("the mark \"GGUF\"") != detail::gguf_magic) in.fail(0, "is not a GGUF file");
  version_ = in.number<std::uint32_t>("the version");
  if (version_ != 2 && version_ != 3)
    in.fail(4, "version ", version_, (version_ & 0xffff) == 0 ? ", a big-endian file," : "",
            " is not supported; want 2 or 3");
  const auto tensors = in.number<std::uint64_t>("the number of tensors");
  const auto keys = in.number<std::uint64_t>("the number of keys");
  read_metadata(in, keys, keep);
  const std::vector<Info> infos = read_infos(in, tensors);
  place(in, infos, bytes, keep);
}
#endif

}  // namespace tenzo
