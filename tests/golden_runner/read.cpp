// Reading of ops.json and ops.safetensors.
#include <cstring>
#include <fstream>
#include <iterator>

#include "case.hpp"

namespace golden {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Damaged(path + ": can not be opened");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

template <class T>
tenzo::Tensor<T> copied(const char* bytes, const tenzo::Shape& shape) {
  tenzo::Tensor<T> t(shape);
  std::memcpy(t.data(), bytes, std::size_t(t.size()) * sizeof(T));
  return t;
}

template <class Map>
auto found(const Map& tensors, const std::string& name, const std::string& what) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Damaged(what + ": no tensor " + name);
  return it->second;
}

}  // namespace

Tensors read_tensors(const std::string& path) {
  const std::string file = read_file(path);
  std::uint64_t header = 0;
  if (file.size() < 8) throw Damaged(path + ": too short");
  std::memcpy(&header, file.data(), 8);
  if (header > file.size() - 8) throw Damaged(path + ": the header is longer than the file");
  const std::size_t data = 8 + header;
  Tensors out;
  try {
    const Json entries = Json::parse(file.begin() + 8, file.begin() + std::ptrdiff_t(data));
    for (const auto& [name, entry] : entries.items()) {
      if (name == "__metadata__") continue;
      tenzo::Shape shape;
      for (const auto& n : entry.at("shape")) shape.push_back(n.get<std::int64_t>());
      const std::uint64_t begin = entry.at("data_offsets").at(0), end = entry.at("data_offsets").at(1);
      const std::string type = entry.at("dtype");
      const std::size_t size = type == "F32" ? 4 : 8;
      if (begin > end || end > file.size() - data || end - begin != std::uint64_t(shape.numel()) * size)
        throw Damaged(path + ": " + name + " does not lie in the file");
      const char* bytes = file.data() + data + begin;
      if (type == "F64") out.real[name] = copied<double>(bytes, shape);
      else if (type == "F32") out.real[name] = copied<float>(bytes, shape).cast<double>();
      else if (type == "I64") out.integer[name] = copied<std::int64_t>(bytes, shape);
      else throw Damaged(path + ": " + name + " has type " + type);
    }
  } catch (const Json::exception& e) {
    throw Damaged(path + ": " + e.what());
  } catch (const tenzo::Error& e) {
    throw Damaged(path + ": " + e.what());
  }
  return out;
}

std::vector<Case> read_cases(const std::string& folder) {
  const std::string path = folder + "/ops.json";
  const Tensors tensors = read_tensors(folder + "/ops.safetensors");
  std::vector<Case> out;
  try {
    const Json file = Json::parse(read_file(path));
    for (const Json& entry : file.at("cases")) {
      Case c;
      c.name = entry.at("name");
      c.op = entry.at("op");
      c.attrs = entry.value("attrs", Json::object());
      c.complex = entry.value("complex", false);
      const auto list = [&](const char* key, auto& to, const auto& from) {
        for (const std::string name : entry.at(key)) to.push_back(found(from, name, path + ": " + c.name));
      };
      list("inputs", c.inputs, tensors.real);
      list("gradients", c.gradients, tensors.real);
      list("tangents", c.tangents, tensors.real);
      list("fixed", c.fixed, tensors.integer);
      c.output = found(tensors.real, entry.at("output"), path + ": " + c.name);
      c.cotangent = found(tensors.real, entry.at("cotangent"), path + ": " + c.name);
      c.jvp = found(tensors.real, entry.at("jvp"), path + ": " + c.name);
      if (c.inputs.empty() || c.gradients.size() != c.inputs.size() || c.tangents.size() != c.inputs.size())
        throw Damaged(path + ": " + c.name + " has not one gradient and tangent an input");
      out.push_back(std::move(c));
    }
  } catch (const Json::exception& e) {
    throw Damaged(path + ": " + e.what());
  }
  return out;
}

}  // namespace golden
