/* mem://NAME: connections between listeners and clients of one env, in the process. The reference
 * for authors of transports: docs/writing-a-transport.md leads through it. Not here: anything a
 * network could do to bytes; that is the simulator's (tests/support/sim_net.h). */
#ifndef TRANSPORTS_MEM_MEM_H
#define TRANSPORTS_MEM_MEM_H

#include "core/transport/transport.h"

/** The adapter, for hz_transport_register(). Names are known to the thread that listens. */
const struct hz_transport_ops *hz_transport_mem(void);

#endif
