/* Which fields may follow content. */
#include "core/message/message.h"

bool hz_may_trail(struct hz_str name) {
  static const struct hz_str never[] = {{"te", 2},
                                        {"age", 3},
                                        {"date", 4},
                                        {"host", 4},
                                        {"vary", 4},
                                        {"cookie", 6},
                                        {"expect", 6},
                                        {"expires", 7},
                                        {"trailer", 7},
                                        {"upgrade", 7},
                                        {"location", 8},
                                        {"connection", 10},
                                        {"keep-alive", 10},
                                        {"set-cookie", 10},
                                        {"retry-after", 11},
                                        {"content-type", 12},
                                        {"authorization", 13},
                                        {"cache-control", 13},
                                        {"content-range", 13},
                                        {"content-length", 14},
                                        {"content-encoding", 16},
                                        {"proxy-connection", 16},
                                        {"transfer-encoding", 17}};

  for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
    if (hz_str_ieq(name, never[i])) return false;
  }
  return true;
}
