/* What was counted of all workers together, as the files of core/app read it. Any thread. */
#ifndef CORE_APP_STATS_H
#define CORE_APP_STATS_H

#include "core/app/worker.h"

/** Worker number `i`, to be read. */
const struct hz_worker *hz_stats_worker(const herz_app *app, uint32_t i);

uint64_t hz_stats_by_transport(const herz_app *app, uint32_t slot, enum hz_transport_counter c);

/** Adds the times of a transport. */
void hz_stats_latency(const herz_app *app, uint32_t slot, struct hz_latency_sum *out);

#endif
