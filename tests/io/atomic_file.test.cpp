// Files that appear whole, and files that are mapped.
#include "tenzo/io/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "files.hpp"
#include "tenzo/io/mapped_file.hpp"

using namespace tenzo;

TEST_CASE("atomic file: appears when it is complete") {
  const TestFolder folder;
  const std::string path = folder / "a";
  put_file(path, "old");
  std::string large(1000000, 'x');
  {
    AtomicFile file(path);
    file.write("ab");
    file.write(large);
    file.fill(100, std::byte{'-'});
    file.fill(0, std::byte{'-'});
    CHECK(file.position() == 1000102);
    CHECK(read_file(path) == "old");
    file.commit();
    CHECK(read_file(path) == cat("ab", large, std::string(100, '-')));
  }
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: without commit the old file stays") {
  const TestFolder folder;
  put_file(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
    CHECK(folder.count() == 2);
  }
  CHECK(read_file(folder / "a") == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: one writer at a time, and what a killed one left is overwritten") {
  const TestFolder folder;
  const std::string path = folder / "a";
  put_file(path + ".tenzo-part", "left behind, and longer than the new file");
  {
    AtomicFile file(path);
    CHECK_THROWS_WITH_AS(AtomicFile{path}, (path + ": is being written by another program").c_str(), FileError);
    file.write("new");
    file.commit();
  }
  CHECK(read_file(path) == "new");
  CHECK(folder.count() == 1);
  write_file(path, "again");
  CHECK(read_file(path) == "again");
}

TEST_CASE("atomic file: links are followed, modes are kept, other things are refused") {
  const TestFolder folder;
  put_file(folder / "target", "old");
  ::chmod((folder / "target").c_str(), 0640);
  std::filesystem::create_symlink(folder / "target", folder / "link");
  write_file(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_file(folder / "target") == "new");
  struct stat s;
  REQUIRE(::stat((folder / "target").c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0640);

  const std::string here = folder / "";
  CHECK_THROWS_WITH_AS(write_file(here, "x"), (here + ": is a folder; want a file").c_str(), FileError);
  CHECK_THROWS_AS(write_file(folder / "none/a", "x"), FileError);
  std::filesystem::create_symlink(folder / "none", folder / "dangling");
  CHECK_THROWS_AS(write_file(folder / "dangling", "x"), FileError);
  CHECK_THROWS_WITH_AS(write_file("/dev/null", "x"), "/dev/null: is not a regular file", FileError);
  ::chmod((folder / "target").c_str(), 0440);
  CHECK_THROWS_WITH_AS(write_file(folder / "link", "x"), (folder / "target" + ": is read-only").c_str(), FileError);
  CHECK(read_file(folder / "target") == "new");
  CHECK(folder.count() == 3);
}

TEST_CASE("mapped file: bytes that outlive the name, and pages that come back") {
  const TestFolder folder;
  const std::string path = folder / "a";
  const std::string content = cat("begin", std::string(100000, 'x'), "end");
  put_file(path, content);
  const auto map = MappedFile::open(path);
  const auto text = [&] {
    return std::string_view(reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size());
  };
  CHECK(text() == content);
  write_file(path, "other");
  CHECK(text() == content);
  map->advise_dont_need(map->bytes());
  map->advise_dont_need(map->bytes().subspan(5000, 10));
  map->advise_dont_need(map->bytes().last(1));
  const std::byte elsewhere[4] = {};
  map->advise_dont_need(elsewhere);
  CHECK(text() == content);

  put_file(path, "");
  CHECK(MappedFile::open(path)->bytes().empty());
  CHECK_THROWS_WITH_AS(MappedFile::open(folder / "no"),
                       (folder / "no" + ": can not be opened (No such file or directory)").c_str(), FileError);
  CHECK_THROWS_WITH_AS(MappedFile::open(folder / ""), (folder / "" + ": is a folder; want a file").c_str(), FileError);
  CHECK_THROWS_WITH_AS(MappedFile::open("/dev/null"), "/dev/null: is not a regular file", FileError);
}
