#include "broker/cores.h"

#include <sched.h>

int cores_choose(void)
{
    cpu_set_t allowed;
    int core = sched_getcpu();
    if (core < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
        CPU_COUNT(&allowed) < 2)
        return CORES_ANY;
    return core;
}

void cores_stay(int core)
{
    cpu_set_t one;
    if (core == CORES_ANY)
        return;
    CPU_ZERO(&one);
    CPU_SET((unsigned)core, &one);
    /* Refused where the core has just been taken from us: then anywhere is right. */
    (void)sched_setaffinity(0, sizeof one, &one);
}
