// CelebA: faces, with forty attributes of which one is the label.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/data/file_bytes.hpp"
#include "tenzo/data/image_folder.hpp"
#include "tenzo/data/lines.hpp"

namespace tenzo {

/// The faces for training and for judgement, label 1 where they have the attribute.
struct CelebaFiles {
  std::vector<LabelledFile> train, test;
};

/// The part of each picture: 0 training, 1 validation, 2 test. A table with a header row, "image_id,partition".
inline std::map<std::string, int, std::less<>> parse_celeba_parts(std::string_view table, const std::string& path) {
  std::map<std::string, int, std::less<>> parts;
  bool header = true;
  detail::for_each_line(table, [&](std::string_view line, std::int64_t offset) {
    if (std::exchange(header, false) || line.empty()) return;
    const auto cells = detail::split_at(line, ',');
    if (cells.size() != 2 || cells[1].size() != 1 || cells[1][0] < '0' || cells[1][0] > '2')
      throw FileError(path, offset, "want a row of a picture and 0, 1 or 2 with a comma between them");
    parts[std::string(cells[0])] = cells[1][0] - '0';
  });
  return parts;
}

/// The faces of a table with a header row, "image_id,5_o_Clock_Shadow,...", and 1 or -1 in its cells, divided by their
/// parts. Those for validation, and those that the parts do not name, are left out.
///   Throws FileError with the offset of the row that is wrong, and where the header knows no such attribute.
inline CelebaFiles parse_celeba(std::string_view table, const std::string& path, const std::string& attribute,
                                const std::map<std::string, int, std::less<>>& parts, const std::string& folder) {
  CelebaFiles files;
  std::size_t columns = 0, column = 0;
  detail::for_each_line(table, [&](std::string_view line, std::int64_t offset) {
    if (line.empty()) return;
    const auto cells = detail::split_at(line, ',');
    if (columns == 0) {
      columns = cells.size();
      column = std::size_t(std::find(cells.begin(), cells.end(), attribute) - cells.begin());
      if (column == columns || column == 0)
        throw FileError(path, offset, cat("has no attribute ", printable(attribute)));
      return;
    }
    if (cells.size() != columns)
      throw FileError(path, offset, cat(cells.size(), " columns; the header row has ", columns));
    detail::expect_plain_name(cells[0], path, offset);
    if (cells[column] != "1" && cells[column] != "-1")
      throw FileError(path, offset, cat(attribute, " is ", printable(cells[column]), "; want 1 or -1"));
    const auto part = parts.find(cells[0]);
    if (part == parts.end() || part->second == 1) return;
    auto& to = part->second == 0 ? files.train : files.test;
    to.push_back({(std::filesystem::path(folder) / cells[0]).string(), cells[column] == "1"});
  });
  return files;
}

/// The faces in a folder with list_attr_celeba.csv, list_eval_partition.csv and the pictures in img_align_celeba.
inline CelebaFiles celeba_files(const std::string& folder, const std::string& attribute) {
  const std::filesystem::path root(folder);
  auto pictures = root / "img_align_celeba";
  if (detail::is_folder(pictures / "img_align_celeba")) pictures /= "img_align_celeba";
  const FileBytes attributes = FileBytes::open((root / "list_attr_celeba.csv").string());
  const FileBytes parts = FileBytes::open((root / "list_eval_partition.csv").string());
  return parse_celeba(attributes.text(), attributes.path(), attribute, parse_celeba_parts(parts.text(), parts.path()),
                      pictures.string());
}

}  // namespace tenzo
