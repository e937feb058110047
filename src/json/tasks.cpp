// Tasks: examples, prompts, scores, metrics.
#define TENZO_DEFINES_tasks 1

#include "tenzo/io/metrics.hpp"
#include "tenzo/io/task.hpp"
#include "tenzo/io/task_split.hpp"
#include "tenzo/models/scoring.hpp"
