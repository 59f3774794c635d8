/* A request of 142 bytes as it is on the wire: written, and read with everything checked. msgpack-c
 * writes the same bytes and reads them, as a peer; it checks neither UTF-8 nor what an envelope is,
 * and gives a tree where Herz gives views into the bytes. */
#include "codec/envelope.h"

#include <msgpack.h>

#include "tests/bench/micro.h"

enum { SIZE = 142, ROUND = 1000000 };
static const uint64_t id = 4711;
static const struct hz_str method = {"POST", 4};
static const struct hz_str path = {"/users/48151623/orders", 22};
static const struct hz_header header = {
    {"traceparent", 11}, {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 55}};
static const struct hz_body body = {HZ_BODY_BYTES,
                                    {"{\"item\":\"0451-0815\",\"count\":12,\"w\":1}", 37}};

static struct hz_alloc mem;
static struct hz_pool pool;
static struct hz_buf *out;
static uint8_t wire[SIZE];
static msgpack_sbuffer peer_out;

static void encode(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    out->len = 0;
    hz_err err = hz_encode_req(out, id, method, path, &header, 1, &body);
    MICRO_CHECK(err == HZ_OK);
    micro_keep(out);
  }
}

static void decode(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    struct hz_envelope e;
    hz_err err = hz_envelope_parse(wire, SIZE, &e);
    MICRO_CHECK(err == HZ_OK);
    micro_keep(&e);
  }
}

static void peer_str(msgpack_packer *pk, struct hz_str s) {
  msgpack_pack_str(pk, s.n);
  msgpack_pack_str_body(pk, s.p, s.n);
}

static void peer_encode(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    msgpack_packer pk;
    msgpack_sbuffer_clear(&peer_out);
    msgpack_packer_init(&pk, &peer_out, msgpack_sbuffer_write);
    msgpack_pack_array(&pk, 6);
    msgpack_pack_int(&pk, HZ_REQ);
    msgpack_pack_uint64(&pk, id);
    peer_str(&pk, method);
    peer_str(&pk, path);
    msgpack_pack_map(&pk, 1);
    peer_str(&pk, header.name);
    peer_str(&pk, header.value);
    msgpack_pack_bin(&pk, body.data.n);
    msgpack_pack_bin_body(&pk, body.data.p, body.data.n);
    micro_keep(&peer_out);
  }
}

static void peer_decode(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    msgpack_unpacked got;
    size_t at = 0;
    msgpack_unpacked_init(&got);
    MICRO_CHECK(msgpack_unpack_next(&got, (const char *)wire, SIZE, &at) == MSGPACK_UNPACK_SUCCESS);
    micro_keep(&got);
    msgpack_unpacked_destroy(&got);
  }
}

int main(int argc, char **argv) {
  hz_alloc_init_libc(&mem);
  MICRO_CHECK(hz_pool_init(&pool, &mem, 0) == HZ_OK);
  out = hz_buf_new(&pool, 256);
  MICRO_CHECK(out != NULL);
  msgpack_sbuffer_init(&peer_out);

  /* Both write the same. */
  encode(1);
  peer_encode(1);
  MICRO_CHECK(out->len == SIZE && peer_out.size == SIZE);
  MICRO_CHECK(memcmp(hz_buf_data(out), peer_out.data, SIZE) == 0);
  memcpy(wire, peer_out.data, SIZE);

  static const struct micro_path all[] = {
      {"codec/encode", ROUND, 1000, NULL, encode, 15},
      {"codec/decode", ROUND, 1000, NULL, decode, 35},
      {"codec/msgpack-c/encode", ROUND, 0, NULL, peer_encode, 0},
      {"codec/msgpack-c/decode", ROUND, 0, NULL, peer_decode, 0},
  };
  uint64_t before = mem.calls;
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  MICRO_CHECK(mem.calls == before); /* neither way allocates */
  hz_buf_unref(out);
  hz_pool_fini(&pool);
  msgpack_sbuffer_destroy(&peer_out);
  return rc;
}
