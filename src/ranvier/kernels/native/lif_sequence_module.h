#pragma once

#include <nanobind/nanobind.h>

// Adds the leaky integrate-and-fire loops to the module.
void add_lif_sequence(nanobind::module_& m);
