/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Linux program has no lamps of its own: what it lights is nobody's to see. */
#include "mps2.h"

Lamps g_lamps;
