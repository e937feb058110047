// A hundred lines: tunes the numbers on another program's command line, by running it and reading the cost that it
// prints.
//
//   tune_program [--steps N] COMMAND NAME=LOW:HIGH ...
//       COMMAND is given to the shell with every {NAME} replaced by a number; the last number that it prints is its
//       cost. A run that fails or prints none is stepped over.
//   tune_program
//       tunes the controller of thermostat.sh, which lies beside this file.
//
// Each step draws a random direction of signs, runs the program twice, a little along it and a little against it, and
// moves all parameters by what the difference says: the cost of a step does not grow with their number.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tenzo/io/progress.hpp>
#include <tenzo/tenzo.hpp>
#include <vector>

using namespace tenzo;

namespace {

struct Parameter {
  std::string name;
  double low, high;

  double at(double share) const { return low + share * (high - low); }  // share in [0, 1]
};

/// NAME=LOW:HIGH
Parameter parameter(const std::string& text) {
  Parameter p;
  const std::size_t equals = text.find('='), colon = text.find(':', equals);
  require(equals != std::string::npos && colon != std::string::npos, "'", text, "': want NAME=LOW:HIGH");
  p.name = text.substr(0, equals);
  p.low = std::strtod(text.c_str() + equals + 1, nullptr);
  p.high = std::strtod(text.c_str() + colon + 1, nullptr);
  require(p.low < p.high, "'", text, "': want LOW < HIGH");
  return p;
}

/// The command with the parameters written in.
std::string filled_in(std::string command, const std::vector<Parameter>& parameters, const Tensor<double>& x) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string place = "{" + parameters[i].name + "}";
    char number[32];
    std::snprintf(number, sizeof number, "%.9g", parameters[i].at(x(std::int64_t(i))));
    require(command.find(place) != std::string::npos, "the command has no ", place);
    for (std::size_t at; (at = command.find(place)) != std::string::npos;) command.replace(at, place.size(), number);
  }
  return command;
}

/// The last number in a text; infinite where there is none.
double last_number(std::string_view text) {
  double found = INFINITY;
  const std::string copy(text);
  for (const char* at = copy.c_str(); *at;) {
    char* end = nullptr;
    const double x = std::strtod(at, &end);
    if (end != at) found = x;
    at = end != at ? end : at + 1;
  }
  return found;
}

/// Runs a command; what it prints last, or infinity where it fails.
double cost_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return INFINITY;
  std::string output;
  char part[4096];
  for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, n);
  return ::pclose(pipe) == 0 ? last_number(output) : INFINITY;
}

int run(std::vector<std::string> arguments) {
  zo::MinimizeOptions options{.steps = 150, .lr = 0.05, .eps = 0.03, .lower = 0, .upper = 1, .patience = 60};
  if (arguments.size() >= 2 && arguments[0] == "--steps") {
    options.steps = std::atoll(arguments[1].c_str());
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.empty())
    arguments = {"sh '" TENZO_EXAMPLE_DIR "/thermostat.sh' {kp} {ki} {kd}", "kp=0:1", "ki=0:0.01", "kd=0:10"};
  require(arguments.size() > 1, "usage: tune_program [--steps N] COMMAND NAME=LOW:HIGH ...");
  std::vector<Parameter> parameters;
  for (std::size_t i = 1; i < arguments.size(); ++i) parameters.push_back(parameter(arguments[i]));

  const auto cost = [&](const Tensor<double>& x) { return cost_of(filled_in(arguments[0], parameters, x)); };
  const Tensor<double> middle = Tensor<double>::full({std::int64_t(parameters.size())}, 0.5);
  const double before = cost(middle);
  require(std::isfinite(before),
          "the command fails or prints no number: ", filled_in(arguments[0], parameters, middle));

  Progress progress("tuning", options.steps);
  const auto result =
      zo::minimize(middle, cost, options, [&](const auto& s) { progress.update(s.step, cat("best ", s.best_loss)); });
  progress.finish();

  for (std::size_t i = 0; i < parameters.size(); ++i)
    std::printf("%-10s %12.6g\n", parameters[i].name.c_str(), parameters[i].at(result.best(std::int64_t(i))));
  std::printf("cost       %12.6g   in the middle of all ranges %.6g; the program ran %lld times\n%s\n",
              result.best_loss, before, static_cast<long long>(result.evaluations),
              filled_in(arguments[0], parameters, result.best).c_str());
  return result.best_loss <= before ? 0 : 1;
}

}  // namespace

int main(int count, char** values) {
  try {
    return run({values + 1, values + count});
  } catch (const Error& e) {
    std::fprintf(stderr, "tune_program: %s\n", e.what());
    return 2;
  }
}
