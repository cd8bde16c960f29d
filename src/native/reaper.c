/* The exec trampoline with a process 1 that stays: see trampoline.ts and reaper.h. */
#define REAPER
#include "trampoline.c"
