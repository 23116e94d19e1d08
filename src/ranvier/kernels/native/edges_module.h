#pragma once

#include <nanobind/nanobind.h>

// Adds the functions that build edges to the module.
void add_edges(nanobind::module_& m);
