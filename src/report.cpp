// Pages of HTML with plots and tables.
#define TENZO_DEFINES_report 1

#include "tenzo/io/report.hpp"
