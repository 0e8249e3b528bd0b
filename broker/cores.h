/* cores: on which processor core threads run. */
#pragma once

enum { CORES_ANY = -1 };

/* The core where the caller runs now, or CORES_ANY: it may use only one anyway, or the
 * system does not say. */
int cores_choose(void);
/* From here on the calling thread, and those that it starts, run on this core only.
 * CORES_ANY changes nothing. */
void cores_stay(int core);
