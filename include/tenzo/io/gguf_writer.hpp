// Writing GGUF, version 3.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/tensor_writer.hpp"

namespace tenzo {

/// The value of the key `general.file_type` for a file whose matrices are in a format.
inline std::uint32_t gguf_file_type(DType t) {
  switch (t) {
    case DType::f32: return 0;
    case DType::f16: return 1;
    case DType::q4_0: return 2;
    case DType::q4_1: return 3;
    case DType::q8_0: return 7;
    case DType::bf16: return 32;
    default: throw ValueError(cat("gguf: a model is not written as ", t));
  }
}

/// The format of one tensor in a file whose matrices are in format `t`: vectors stay f32, and matrices whose rows are
/// no whole blocks become f16. As the field's converters do.
inline DType gguf_dtype(DType t, const Shape& shape) {
  if (shape.rank() < 2) return DType::f32;
  return shape.dim(-1) % dtype_info(t).block == 0 ? t : DType::f16;
}

/// Writes a model: all keys in the order given, then the tensors in the order of the specs, each asked of `source` when
/// its turn comes. The same input gives the same bytes. The file appears when it is complete.
///   Formats  f32, f16, bf16, q8_0, q4_0, q4_1; the others of the reader where `source` gives that format already.
///   Throws ValueError for what the format can not hold, FileError where writing fails.
TENZO_COMPILED void write_gguf(const std::string& path, const GgufMetadata& metadata,
                               const std::vector<TensorSpec>& specs, const TensorSource& source);

#if TENZO_DEFINES(files)
TENZO_COMPILED void write_gguf(const std::string& path, const GgufMetadata& metadata,
                               const std::vector<TensorSpec>& specs, const TensorSource& source) {
  std::uint64_t alignment = detail::gguf_default_alignment;
  if (const GgufValue* v = metadata.find("general.alignment")) {
    require(v->type() == GgufType::u32 && std::has_single_bit(std::uint64_t(v->integer())),
            "gguf: general.alignment must be a power of 2 of type u32");
    alignment = std::uint64_t(v->integer());
  }
  const auto padding = [&](std::uint64_t n) { return (alignment - n % alignment) % alignment; };

  std::vector<std::byte> head;
  detail::append(head, detail::gguf_magic);
  detail::append(head, std::uint32_t(3));
  detail::append(head, std::uint64_t(specs.size()));
  detail::append(head, std::uint64_t(metadata.size()));

  std::unordered_set<std::string_view> keys, names;
  for (const auto& [key, value] : metadata) {
    require(!key.empty() && keys.insert(key).second, "gguf: the key '", key, "' is empty or comes twice");
    detail::append(head, std::string_view(key));
    detail::append(head, std::uint32_t(value.type()));
    detail::append(head, value.bytes());
  }

  std::uint64_t offset = 0;
  for (const TensorSpec& s : specs) {
    require(!s.name.empty() && s.name.size() < 64 && names.insert(s.name).second, "gguf: the tensor name '", s.name,
            "' is empty, longer than 63 bytes, or comes twice");
    const auto* type = std::ranges::find(detail::ggml_types, s.dtype, &detail::GgmlType::dtype);
    require(type != std::end(detail::ggml_types), "gguf: ", s.name, " can not be stored as ", s.dtype);
    expect(s.shape.rank() >= 1 && s.shape.rank() <= 4 && s.shape.numel() > 0, "gguf: ", s.name, " has shape ", s.shape,
           "; want 1 to 4 axes, none of them empty");
    expect(s.shape.dim(-1) % dtype_info(s.dtype).block == 0, "gguf: rows of ", s.name, ' ', s.shape,
           " are no whole blocks of ", s.dtype);
    detail::append(head, std::string_view(s.name));
    detail::append(head, std::uint32_t(s.shape.rank()));
    for (int axis = s.shape.rank(); axis-- > 0;) detail::append(head, std::uint64_t(s.shape[axis]));
    detail::append(head, type->number);
    detail::append(head, offset);
    const auto bytes = std::uint64_t(s.shape.numel() / dtype_info(s.dtype).block * dtype_info(s.dtype).bytes);
    offset += bytes + padding(bytes);
  }

  AtomicFile file(path);
  file.write(head);
  file.fill(padding(file.position()), std::byte{});
  for (std::size_t i = 0; i < specs.size(); ++i) {
    detail::write_tensor(file, specs[i], source(i));
    file.fill(padding(file.position()), std::byte{});
  }
  file.commit();
}
#endif

}  // namespace tenzo
