// Certification logs: round trip, those of other programs, damage, and what they say.
#include "tenzo/smoothing/certificate_log.hpp"

#include <doctest/doctest.h>

#include <unistd.h>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

const CertificateLog log_of_five = {{.index = 0, .label = 7, .predicted = 7, .radius = 0.49999, .seconds = 3.25},
                                    {.index = 20, .label = 2, .predicted = abstain, .radius = 0, .seconds = 0},
                                    {.index = 40, .label = 1, .predicted = 3, .radius = 1.5, .seconds = 4000.5},
                                    {.index = 60, .label = 0, .predicted = 0, .radius = 1.2345, .seconds = 1e-6},
                                    {.index = 80, .label = 5, .predicted = 5, .radius = 0, .seconds = 1}};
const std::string head = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n";

void refuse(const std::string& text) {
  CAPTURE(text);
  CHECK_THROWS_AS(parse_certificates(text, "log.tsv"), FileError);
}

}  // namespace

TEST_CASE("certificate log: the field's text, radii rounded down") {
  CHECK(write_certificates(log_of_five) == head +
                                               "0\t7\t7\t0.499\t1\t0:00:03.250000\n"
                                               "20\t2\t-1\t0.0\t0\t0:00:00.000000\n"
                                               "40\t1\t3\t1.5\t0\t1:06:40.500000\n"
                                               "60\t0\t0\t1.23\t1\t0:00:00.000001\n"
                                               "80\t5\t5\t0.0\t1\t0:00:01.000000\n");
  for (double r = 1e-6; r < 50; r *= 1.037) {
    const CertificateLog one = parse_certificates(write_certificates({{.radius = r}}), "log");
    CHECK(one[0].radius <= r);
    CHECK(one[0].radius > 0.989 * r);
  }
}

TEST_CASE("certificate log: reads back, from a file, and what other programs write") {
  const auto folder = std::filesystem::temp_directory_path() / ("tenzo_log_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "log.tsv").string();
  save_certificates(path, log_of_five);
  const CertificateLog back = load_certificates(path);
  REQUIRE(back.size() == 5);
  CHECK(back[2].seconds == 4000.5);
  CHECK(back[1].predicted == abstain);
  CHECK(write_certificates(back) == write_certificates(log_of_five));
  std::filesystem::remove_all(folder);
  CHECK_THROWS_AS(load_certificates(path), FileError);
  const auto others =
      parse_certificates(head + "0\t3\t3\t0.953\t1\t0:00:07.1\r\n1\t8\t8\t1e-05\t1\t1 day, 0:01:00\n", "cohen");
  CHECK(others[1].seconds == 86460);
  CHECK(others[1].radius == 1e-5);
  CHECK(parse_certificates("idx\tlabel\tpredict\tradius\tcorrect\n4\t1\t1\t0.5\t1\n", "x")[0].index == 4);
  CHECK(parse_certificates(head, "x").empty());
}

TEST_CASE("certificate log: damage is one clear line") {
  refuse("");
  refuse("idx label predict radius correct time\n");
  refuse("0\t7\t7\t0.5\t1\t0:00:01\n");
  refuse(head + "0\t7\t7\t0.5\n");
  refuse(head + "0\t7\t7\t0.5\t1\t0:00:01\textra\n");
  refuse(head + "0\tseven\t7\t0.5\t1\t0:00:01\n");
  refuse(head + "0\t7\t7\t-0.5\t1\t0:00:01\n");
  refuse(head + "0\t7\t7\tnan\t1\t0:00:01\n");
  refuse(head + "0\t7\t7\tinf\t1\t0:00:01\n");
  refuse(head + "0\t7\t7\t0.5\t0\t0:00:01\n");
  refuse(head + "0\t7\t-1\t0.5\t1\t0:00:01\n");
  refuse(head + "0\t7\t-2\t0.5\t0\t0:00:01\n");
  refuse(head + "0\t7\t7\t0.5\t1\t12 s\n");
  refuse(head + "0\t7\t7\t0.5\t1\t0:-5:00\n");
  refuse(head + "0\t7\t7\t0.5\t1\t1e300:00:00\n");
  refuse(head + "0\t7\t7\t0.5x\t1\t0:00:01\n");
  CHECK_THROWS_WITH(parse_certificates(head + "0\t7\n", "log.tsv"),
                    "log.tsv: offset 38: is no line of a certification log: '0\\x097'");
}

TEST_CASE("certificate log: accuracies, average radius, abstentions, envelope, cap") {
  CHECK(certified_accuracy(log_of_five, 0) == 0.6);
  CHECK(certified_accuracy(log_of_five, 0.49999) == 0.4);
  CHECK(certified_accuracy(log_of_five, 0.5) == 0.2);
  CHECK(certified_accuracy(log_of_five, 2) == 0);
  CHECK(average_certified_radius(log_of_five) == doctest::Approx((0.49999 + 1.2345) / 5).epsilon(1e-12));
  CHECK(abstentions(log_of_five) == 0.2);
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(parse_certificates(write_certificates({{.radius = infinite}}), "log")[0].radius == 1e100);
  CHECK(std::isnan(certified_accuracy({}, 0)));
  CHECK(std::isnan(average_certified_radius({})));
  const CertificateLog wide = {{.label = 1, .predicted = 1, .radius = 3}, {.label = 1, .predicted = 2, .radius = 3}};
  CHECK(envelope({log_of_five, wide}, 0) == 0.6);
  CHECK(envelope({log_of_five, wide}, 2) == 0.5);
  CHECK(radius_cap(0.5, 1000, 1e-3) == doctest::Approx(0.5 * 2.463262615).epsilon(1e-9));
}
