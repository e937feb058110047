// Text tasks: each template to the letter, each format of data, what wrong data say, and splits that keep apart.
#include "tenzo/io/task.hpp"

#include <doctest/doctest.h>

#include <set>

#include "files.hpp"
#include "tenzo/io/task_split.hpp"

using namespace tenzo;

namespace {

struct Case {
  const char* task;
  Task::Record record;
  std::string prompt;
  std::vector<std::string> candidates;
  int label;
};

/// Every task, with the prompt as the benchmark has it.
std::vector<Case> cases() {
  return {
      {"sst2", {{"sentence", " a fine film \n"}, {"label", "1"}}, "a fine film It was", {" terrible", " great"}, 1},
      {"sst2", {{"sentence", "dull"}, {"label", "negative"}}, "dull It was", {" terrible", " great"}, 0},
      {"sst2-plain", {{"sentence", "dull"}, {"label", "positive"}}, "dull", {" terrible", " great"}, 1},
      {"rte",
       {{"premise", "It rains. "}, {"hypothesis", "It is wet."}, {"label", "0"}},
       "It rains.\nDoes this mean that \"It is wet.\" is true? Yes or No?\n",
       {"Yes", "No"},
       0},
      {"rte",
       {{"premise", "p"}, {"hypothesis", "h"}, {"label", "not_entailment"}},
       "p\nDoes this mean that \"h\" is true? Yes or No?\n",
       {"Yes", "No"},
       1},
      {"cb",
       {{"premise", "p"}, {"hypothesis", "h"}, {"label", "neutral"}},
       "Suppose p Can we infer that \"h\"? Yes, No, or Maybe?\n",
       {"Yes", "No", "Maybe"},
       2},
      {"wsc",
       {{"text", "Ann saw Eve. She waved."}, {"span1_text", "Ann"}, {"span2_text", "She"}, {"label", "false"}},
       "Ann saw Eve. She waved.\nIn the previous sentence, does the pronoun \"she\" refer to Ann? Yes or No?\n",
       {"No", "Yes"},
       0},
      {"wic",
       {{"word", "bank"}, {"sentence1", "The bank."}, {"sentence2", "A bank."}, {"label", "true"}},
       "Does the word \"bank\" have the same meaning in these two sentences? Yes, No?\nThe bank.\nA bank.\n",
       {"No", "Yes"},
       1},
      {"boolq",
       {{"passage", "Water boils."}, {"question", "is it hot"}, {"label", "true"}},
       "Water boils. Is it hot?\n",
       {"No", "Yes"},
       1},
      {"boolq", {{"passage", "P."}, {"question", "Is it?"}, {"label", "0"}}, "P. Is it?\n", {"No", "Yes"}, 0},
      {"multirc",
       {{"paragraph", "P."}, {"question", "Why?"}, {"answer", "So."}, {"label", "1"}},
       "P.\nQuestion: Why?\nI found this answer \"So.\". Is that correct? Yes or No?\n",
       {"No", "Yes"},
       1},
      {"copa",
       {{"premise", "He fell."},
        {"question", "cause"},
        {"choice1", "The floor was wet."},
        {"choice2", "I pushed him."},
        {"label", "0"}},
       "He fell because ",
       {"the floor was wet.", "I pushed him."},
       0},
      {"copa",
       {{"premise", "He fell"},
        {"question", "effect"},
        {"choice1", "It hurt."},
        {"choice2", "In he came."},
        {"label", "choice2"}},
       "He fell so ",
       {"it hurt.", "in he came."},
       1},
      {"winogrande",
       {{"sentence", "The cup fell off the table as _ was round."},
        {"option1", "the cup"},
        {"option2", "the table"},
        {"answer", "2"}},
       "The cup fell off the table as ",
       {"the cup was round.", "the table was round."},
       1},
  };
}

std::vector<TextExample> read(const TestFolder& folder, const char* task, std::string_view content,
                              const char* name = "data.tsv") {
  put_file(folder / name, content);
  return read_examples(Task::named(task), folder / name);
}

/// What the reader says of a file, behind its path.
std::string complaint(const TestFolder& folder, const char* task, std::string_view content) {
  try {
    read(folder, task, content);
  } catch (const FileError& e) {
    CHECK(e.path == folder / "data.tsv");
    return std::string(e.what()).substr(e.path.size());
  }
  return "nothing";
}

/// A table of n sentences, two thirds of them positive.
std::string sentences(int n, const std::string& kind = "text") {
  std::string s = "sentence\tlabel\n";
  for (int i = 0; i < n; ++i) s += kind + " " + std::to_string(i) + "\t" + (i % 3 ? "1" : "0") + "\n";
  return s;
}

std::set<std::string> texts(const std::vector<TextExample>& examples) {
  std::set<std::string> out;
  for (const auto& e : examples) out.insert(e.text);
  return out;
}

int positives(const std::vector<TextExample>& examples) {
  int n = 0;
  for (const auto& e : examples) n += e.label;
  return n;
}

}  // namespace

TEST_CASE("task: every template to the letter") {
  std::set<std::string> seen;
  for (const Case& c : cases()) {
    CAPTURE(c.task);
    const TextExample e = Task::named(c.task).make(c.record);
    CHECK(e.prompt == c.prompt);
    CHECK(e.candidates == c.candidates);
    CHECK(e.label == c.label);
    CHECK_FALSE(e.text.empty());
    seen.insert(c.task);
  }
  for (const std::string& name : Task::names()) CHECK(seen.count(name) == 1);
  CHECK(seen.size() == Task::names().size());
  CHECK(Task::named("copa").loss == TaskLoss::option);
  CHECK(Task::named("winogrande").loss == TaskLoss::option);
  CHECK(Task::named("sst2").loss == TaskLoss::classification);
  CHECK_THROWS_WITH_AS(
      Task::named("sst3"),
      "unknown task 'sst3'; known are sst2, sst2-plain, rte, cb, wsc, wic, boolq, multirc, copa, winogrande",
      ValueError);
}

TEST_CASE("task: a table with a header row, its columns in any order, lines ending as they like") {
  const TestFolder folder;
  const auto e = read(folder, "sst2", "label\tid\tsentence\r\n1\t7\tgood one\r\n\r\n0\t8\tbad one");
  REQUIRE(e.size() == 2);
  CHECK(e[0].prompt == "good one It was");
  CHECK(e[0].label == 1);
  CHECK(e[1].text == "bad one");
}

TEST_CASE("task: JSON lines, with labels as numbers, truth values or texts") {
  const TestFolder folder;
  const auto e = read(folder, "boolq",
                      "{\"passage\": \"P\", \"question\": \"q\", \"label\": true, \"idx\": 3}\n  \n"
                      "{\"passage\": \"Ü\\n\", \"question\": \"r?\", \"label\": 0, \"extra\": null}\n",
                      "data.jsonl");
  REQUIRE(e.size() == 2);
  CHECK(e[0].label == 1);
  CHECK(e[1].label == 0);
  CHECK(e[1].prompt == "Ü\n R?\n");
}

TEST_CASE("task: rated texts in Latin-1; what lies between the ratings is left out") {
  const TestFolder folder;
  const auto e =
      read(folder, "sst2", "1\t2.5\tcaf\xe9 noir\n2\t-0.99\tso so\n3\t-1\tawful\r\n4\t1\tfine\n5\t0.5\tmeh\n");
  REQUIRE(e.size() == 3);
  CHECK(e[0].text == "café noir");
  CHECK(e[0].label == 1);
  CHECK(e[1].text == "awful");
  CHECK(e[1].label == 0);
  CHECK(e[2].label == 1);
}

TEST_CASE("task: wrong data are named by file, offset and reason") {
  const TestFolder folder;
  CHECK(complaint(folder, "sst2", "") == ": offset 0: is empty");
  CHECK(complaint(folder, "sst2", "sentence\tlabel\n") == ": offset 0: holds no example of the task sst2");
  CHECK(complaint(folder, "sst2", "sentence\tlabel\ngood\t1\nbad\n") == ": offset 22: 1 columns; the header row has 2");
  CHECK(complaint(folder, "sst2", "sentence\ttag\ngood\t1\n") == ": offset 13: task sst2 wants a field 'label'");
  CHECK(complaint(folder, "sst2", "sentence\tlabel\ngood\t2\n") == ": offset 15: label '2' is none of the task's");
  CHECK(complaint(folder, "rte", "{\"premise\": \"p\"}\n") == ": offset 0: task rte wants a field 'hypothesis'");
  CHECK(complaint(folder, "rte", "{\"premise\": \n") == ": offset 0: the line is no valid JSON");
  CHECK(complaint(folder, "boolq", "{\"passage\": \"p\", \"question\": \"q\", \"label\": 1}\n[1]\n") ==
        ": offset 46: the line is no JSON object");
  CHECK(complaint(folder, "sst2", "1\t2\tgood\n2\tbad\n") ==
        ": offset 9: want a row of id, rating and text with tabs between them");
  CHECK(complaint(folder, "sst2", "1\t0\tmiddling\n") == ": offset 0: holds no example of the task sst2");
  CHECK(complaint(folder, "winogrande", "sentence\toption1\toption2\tanswer\nno gap\ta\tb\t1\n") ==
        ": offset 32: the sentence has no '_'");
  CHECK(complaint(folder, "winogrande", "sentence\toption1\toption2\tanswer\na _ gap\ta\tb\t3\n") ==
        ": offset 32: answer '3' is none of the task's");
  CHECK_THROWS_WITH_AS(read_examples(Task::named("sst2"), folder / "none"),
                       cat(folder / "none", ": can not be opened").c_str(), FileError);
}

TEST_CASE("task: hostile data cost no more than their size, and their errors are one line") {
  const TestFolder folder;
  // Lists so deep that they can not be printed by recursion.
  const std::string deep(100'000, '[');
  CHECK(complaint(folder, "rte", "{\"premise\": " + deep + std::string(deep.size(), ']') + "}\n") ==
        ": offset 0: the line is nested deeper than 100 levels");
  CHECK(complaint(folder, "rte", "{\"premise\": 1e999}\n") == ": offset 0: the line holds a number out of range");
  CHECK(complaint(folder, "rte", "{\"premise\": \"p\", \"hypothesis\": {\"a\": 1}, \"label\": 0}\n") ==
        ": offset 0: task rte wants a field 'hypothesis'");
  // The name of a column that nobody asked for, a megabyte, is not copied for each of many rows.
  std::string table = "sentence\tlabel\t" + std::string(1 << 20, 'x') + "\n";
  for (int i = 0; i < 50'000; ++i) table += "a\t1\t\n";
  CHECK(read(folder, "sst2", table).size() == 50'000);
  CHECK(complaint(folder, "boolq", "{\"passage\": \"p\", \"question\": \"q\", \"label\": \"a\\nb\"}\n") ==
        ": offset 0: label 'a\\x0ab' is none of the task's");
  CHECK(complaint(folder, "sst2", "sentence\tlabel\ngood\t" + std::string(1000, 'y') + "\n").size() < 200);
}

TEST_CASE("split: one file in three disjoint, balanced parts; the same for the same seed only") {
  const TestFolder folder;
  put_file(folder / "data.tsv", sentences(600));
  const Task& task = Task::named("sst2");
  const SplitOptions o{.train = 100, .dev = 50, .test = 100, .seed = 3};
  const TaskData d = read_task(task, folder / "data.tsv", o);
  CHECK(d.train.size() == 100);
  CHECK(d.dev.size() == 50);
  CHECK(d.test.size() == 100);
  std::set<std::string> all = texts(d.train);
  all.merge(texts(d.dev));
  all.merge(texts(d.test));
  CHECK(all.size() == 250);
  CHECK(positives(d.train) == 50);
  CHECK(positives(d.dev) == 25);
  CHECK(positives(d.test) == 50);
  CHECK(texts(read_task(task, folder / "data.tsv", o).test) == texts(d.test));
  SplitOptions other = o;
  other.seed = 4;
  CHECK(texts(read_task(task, folder / "data.tsv", other).test) != texts(d.test));
}

TEST_CASE("split: a small file gives the same shares of what it has") {
  const TestFolder folder;
  put_file(folder / "data.tsv", sentences(50));
  const TaskData d = read_task(Task::named("sst2"), folder / "data.tsv");  // 1000 : 500 : 1000 of 50
  CHECK(d.train.size() == 20);
  CHECK(d.dev.size() == 10);
  CHECK(d.test.size() == 20);
  put_file(folder / "data.tsv", sentences(2));
  CHECK_THROWS_WITH_AS(
      read_task(Task::named("sst2"), folder / "data.tsv"),
      cat(folder / "data.tsv", ": has too few examples to split: 0 to train, 0 to choose by, 2 to judge by").c_str(),
      FileError);
}

TEST_CASE("split: a folder's dev file is judged by and never trained on") {
  const TestFolder folder;
  put_file(folder / "train.tsv", sentences(90, "train"));
  put_file(folder / "dev.tsv", sentences(40, "held"));
  const TaskData d = read_task(Task::named("sst2"), folder / "", {.train = 60, .dev = 20, .test = 30});
  CHECK(d.train.size() == 60);
  CHECK(d.dev.size() == 20);
  CHECK(d.test.size() == 30);
  for (const auto* part : {&d.train, &d.dev})
    for (const TextExample& e : *part) CHECK(e.text.starts_with("train"));
  for (const TextExample& e : d.test) CHECK(e.text.starts_with("held"));
  const TestFolder nothing;
  CHECK_THROWS_AS(read_task(Task::named("sst2"), nothing / ""), FileError);
}

TEST_CASE("split: a permutation holds every number once, another for each stream") {
  const auto a = shuffled(1000, 7, 0);
  CHECK(std::set<std::int64_t>(a.begin(), a.end()).size() == 1000);
  CHECK(*std::min_element(a.begin(), a.end()) == 0);
  CHECK(*std::max_element(a.begin(), a.end()) == 999);
  CHECK(a == shuffled(1000, 7, 0));
  CHECK(a != shuffled(1000, 7, 1));
  CHECK(shuffled(0, 7, 0).empty());
}

TEST_CASE("split: a folder's small train file is shared by train and dev; what is not asked for may be empty") {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "glue");
  put_file(folder / "glue/train.tsv", sentences(30));
  put_file(folder / "glue/dev.tsv", sentences(8));
  const Task& task = Task::named("sst2");
  const TaskData d = read_task(task, folder / "glue");  // 1000 : 500 of 30
  CHECK(d.train.size() == 20);
  CHECK(d.dev.size() == 10);
  CHECK(d.test.size() == 8);
  put_file(folder / "held.tsv", sentences(8));
  const TaskData held = read_task(task, folder / "held.tsv", {.train = 0, .dev = 0, .test = 1000});
  CHECK(held.train.empty());
  CHECK(held.test.size() == 8);
}

TEST_CASE("task: the mark of UTF-8 before a table or JSON is no part of it, and offsets count it") {
  const TestFolder folder;
  const Task& task = Task::named("sst2");
  for (const std::string text : {"sentence\tlabel\ngood\t1\n", "{\"sentence\": \"good\", \"label\": 1}\n"}) {
    const auto plain = parse_examples(task, text, "data"), marked = parse_examples(task, "\xef\xbb\xbf" + text, "data");
    REQUIRE(marked.size() == 1);
    CHECK(marked[0].text == plain[0].text);
  }
  CHECK_THROWS_WITH_AS(parse_examples(task, "\xef\xbb\xbfsentence\tlabel\nbad\n", "data"),
                       "data: offset 18: 1 columns; the header row has 2", FileError);
}
