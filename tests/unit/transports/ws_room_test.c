/* Room for a message: what the parser says it is worth to have. */
#include "transports/websocket/frame.h"

#include <criterion/criterion.h>
#include <string.h>

Test(ws_room, hints_at_room_for_what_is_announced_but_not_for_a_bare_claim) {
  uint8_t wire[200] = {0x82, 0x80 | 20};
  struct hz_ws_parser p;
  struct hz_alloc libc;
  hz_alloc_init_libc(&libc);
  hz_ws_parser_init(&p, &libc, true, 1 << 20);
  cr_assert_eq(hz_ws_payload_near(&p, wire, 200), 20);
  cr_assert_eq(hz_ws_payload_near(&p, wire, 13), 13, "too little to look at");
  wire[1] = 0x80 | 126;
  wire[2] = 600 >> 8;
  wire[3] = 600 & 0xff;
  cr_assert_eq(hz_ws_payload_near(&p, wire, 200), 600, "a third of it is here");
  cr_assert_eq(hz_ws_payload_near(&p, wire, 100), 96, "a seventh");
  wire[1] = 0x80 | 127;
  memset(wire + 2, 0xff, 8);
  cr_assert_eq(hz_ws_payload_near(&p, wire, 200), 190, "a claim");
  p.max_message = 500;
  wire[1] = 0x80 | 126;
  wire[2] = 600 >> 8;
  wire[3] = 600 & 0xff;
  cr_assert_eq(hz_ws_payload_near(&p, wire, 200), 196, "it will be refused");
}
