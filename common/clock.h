/* clock: time for doors and mains; pure modules get now_ms as an argument. */
#pragma once

#include <stdint.h>

/* Milliseconds of CLOCK_BOOTTIME; never goes back, counts suspend too. */
int64_t clock_now_ms(void);
/* Milliseconds since 1970, as the machine's clock has it; may be set back. */
int64_t clock_wall_ms(void);
/* 64 random bits from the kernel (getrandom). */
uint64_t clock_random_u64(void);
