// Reading of ops.json and ops.safetensors.
#include <fstream>
#include <iterator>

#include "case.hpp"
#include "tenzo/io/safetensors.hpp"

namespace golden {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Damaged(path + ": can not be opened");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

template <class Map>
auto found(const Map& tensors, const std::string& name, const std::string& what) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Damaged(what + ": no tensor " + name);
  return it->second;
}

}  // namespace

Tensors read_tensors(const std::string& path) {
  const auto file = tenzo::SafetensorsFile::open(path);
  Tensors out;
  for (const auto& [name, tensor] : file.tensors()) {
    switch (tensor.dtype()) {
      case tenzo::DType::f64: out.real[name] = tensor.to<double>(); break;
      case tenzo::DType::f32: out.real[name] = tensor.to<float>().cast<double>(); break;
      case tenzo::DType::i64: out.integer[name] = tensor.to<std::int64_t>(); break;
      default: throw Damaged(tenzo::cat(path, ": ", name, " has type ", tensor.dtype()));
    }
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
