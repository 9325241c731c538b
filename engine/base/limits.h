/* Every bound of the program, with its reason. A loop without a bound from here (or from the
   configuration) is a bug. */
#ifndef PINSWEEP_BASE_LIMITS_H
#define PINSWEEP_BASE_LIMITS_H

/* --- what a peer may send --- */
#define CHAIN_CERTS_MAX                                                                            \
    32 /* longest real chains have 6; appliances send whole stores of about 20 */
#define CHAIN_BYTES_MAX (256 * 1024) /* BoringSSL's default of 100 KB refuses some real chains */
#define CERT_BYTES_MAX (64 * 1024)   /* one certificate; CDNs with 2,000 names reach 50 KB */
#define DER_DEPTH_MAX 16             /* nesting walked before giving up; a certificate needs 9 */
#define CERT_SANS_MAX 4096           /* names looked at in one certificate for host matching */

/* --- path building --- */
#define PATH_CERTS_MAX 12 /* certificates in one path, anchor included */
#define PATHS_MAX 16      /* complete paths kept per chain and trust profile */
#define PATH_STEPS_MAX                                                                             \
    256 /* edges tried while enumerating one chain's paths: cross-sign mazes end here */
#define PATH_SIGNATURES_MAX                                                                        \
    64 /* signatures verified for one chain and profile; real chains need under 15 */
#define PATH_EDGES_MAX                                                                             \
    8192 /* verified upper paths remembered per worker, 40 bytes each; the web has about 3,000 */
#define TRUST_PROFILES_MAX 16 /* --trust profiles; each costs a path search per new chain */
#define TRUST_NAME_MAX 64     /* a record repeats the names for each view */
#define TRUST_BUNDLE_BYTES_MAX (64u << 20) /* a PEM bundle; ANCHORS_MAX of the largest fit */
#define ANCHORS_MAX 4096 /* certificates in one bundle; the largest public store has about 400 */

/* --- caches of a worker --- */
#define CHAIN_TABLE_DEFAULT                                                                        \
    2048 /* chains (with leaf and paths) remembered per worker; evicting                           \
          */
#define ISSUERS_PERMANENT_MAX                                                                      \
    16384 /* issuers kept for ever; further ones live and die with their chains */
#define ISSUERS_PERMANENT_BYTES_MAX                                                                \
    (64u << 20) /* their DER: real ones take 1.5 KB each; hostile ones of 64 KB stop here */

/* --- names and addresses --- */
#define HOST_MAX 253     /* RFC 1035 presentation length without the trailing dot */
#define ADDRESSES_MAX 32 /* addresses of one name taken up (--all-addresses) */
#define KEY_VIEWS_MAX 4  /* any, rsa, ecdsa, ed25519 */
#define VIEWS_MAX (ADDRESSES_MAX * KEY_VIEWS_MAX)
#define RESOLVER_IN_FLIGHT_MAX                                                                     \
    192 /* names per worker, two queries each: at 512 queries on one socket answers get lost */
#define RESOLVER_SERVERS_MAX 8 /* --dns-servers; resolv.conf has 3, nobody lists more */
#define RESOLVER_SOCKETS_MAX                                                                       \
    (4 * RESOLVER_SERVERS_MAX) /* c-ares holds one UDP and one TCP socket for each server */

/* --- inventory and policy --- */
#define LINE_BYTES_MAX (64 * 1024) /* one inventory line; longer ones are refused, not cut */
#define CIDR_HOSTS_DEFAULT 65536   /* addresses of one range unless --max-range says otherwise */
#define PIPE_SHUFFLE_LINES 65536   /* window of --shuffle on a pipe */
#define PIPE_SHUFFLE_BYTES (16u << 20) /* or this much text, should the lines be long */
#define PIPE_BLOCKS 8                  /* read ahead of the workers: 1 MB */
#define PIPE_BLOCK_BYTES (128u << 10)
#define PIPE_BLOCK_LINES 4096
#define SLICE_LINES 64 /* taken by a worker at a time: few, so that a short inventory spreads */
#define CUTTER_BYTES (128u << 10) /* buffer that lines are cut from: more than the longest line */
#define CSV_COLUMNS_MAX 256       /* exports of asset databases have up to about 100 */
#define COMPLAINTS_MAX 1000       /* bad lines told; further ones are only counted */
#define LINE_INDEX_ENTRIES                                                                         \
    (1u << 15) /* sparse line index of a mapped file: 256 KB, of 10,000 lines as of 10 million */
#define POLICY_DEPTH_MAX 32         /* YAML nesting */
#define POLICY_NODES_MAX (1u << 22) /* keys and values of a YAML tree: 0.5 GB; a pin set has 100   \
                                     */
#define POLICY_BYTES_MAX ((size_t)4 << 30) /* a policy file; 10 million pins in CSV take 1.3 GB */
#define KEYFILE_BYTES_MAX (16u << 20)      /* a file of certificates or keys to be pinned */
#define KEYFILE_ITEMS_MAX 1024             /* what is in it; the largest chains have about 20 */
#define IMPORT_PINS_MAX 4096               /* pins of one imported set; real ones have under 20 */
#define IMPORT_XML_NODES_MAX                                                                       \
    (1u << 22) /* elements of an XML policy; real ones have under 10,000                           \
                */
#define IMPORT_JSON_VALUES_MAX (1u << 22) /* of a list of pins in JSON; Chromium's has 750,000 */
#define PIN_RULES_PER_HOST_MAX                                                                     \
    1024 /* host patterns of all pin sets that can meet in one host: a look-up gathers them on the \
            stack */

#define PIN_SETS_PER_HOST_MAX 1024 /* pin sets judged for one target */
#define JUDGE_UNITS_MAX                                                                            \
    8192 /* (view, profile) units kept for one target's record; judging covers all */

/* --- connections --- */
#define CONCURRENCY_AUTO_MAX                                                                       \
    4096 /* automatic choice for the whole program: home routers die above it */
#define CONCURRENCY_AUTO_START                                                                     \
    256 /* of these at first: enough to keep a core busy on one machine (engine/sweep/pace.h) */
#define CONCURRENCY_MAX 1000000
#define WORKERS_MAX 256
#define LIMITER_ENTRIES                                                                            \
    (1u << 18) /* per-server counters: 4 MB; at 100,000/s an entry meets 0.4 strangers a second */
#define LIMITER_TRIES_MAX 64 /* lost races before a caller is told to come back */
#define LIMITER_BURST_NS                                                                           \
    UINT64_C(10000000)         /* credit an idle rate gathers: a worker's longest tick */
#define RECV_BUFFER_BYTES 4096 /* one provided buffer: a usual flight arrives in one or two */
#define RECV_BUFFERS_MAX                                                                           \
    2048 /* per worker: used in turn, so that all become resident (8 MB); who gets none asks again \
          */
#define SEND_BUFFER_BYTES                                                                          \
    2048 /* ClientHello with a long SNI is under 700 bytes; Finished flights under 300 */
#define CLOSE_TIMEOUT_NS                                                                           \
    UINT64_C(1000000000) /* for the last bytes to a peer that does not read; then without them */
#define CAPTURE_SHARE_USES_MAX                                                                     \
    65536 /* handshakes of one key share (net/capture): making one costs as much as six secrets */
#define CAPTURE_SHARE_NS UINT64_C(60000000000) /* or this long */
#define HANDSHAKE_BYTES_MAX                                                                        \
    (512 * 1024) /* bytes taken from one peer before it is cut off: chain bound + records */

/* --- output --- */
#define RECORD_BYTES_MAX                                                                           \
    (1024 *                                                                                        \
     1024) /* one record; VIEWS_MAX views with full chains fit, a larger one drops chain detail */
#define BLOCK_BYTES (256 * 1024)      /* whole lines gathered before the writer gets them */
#define BLOCKS_PER_WORKER 8           /* then the worker waits for the writer */
#define FLUSH_NS UINT64_C(1000000000) /* a line is never held back longer than this */

/* --- sweeps read back --- */
#define LOAD_LINE_BYTES_MAX                                                                        \
    (4u << 20) /* a record (RECORD_BYTES_MAX) that another tool wrote again with escapes, or the   \
                  metadata */

/* --- store --- */
#define STORE_COMMIT_NS                                                                            \
    UINT64_C(250000000) /* between commits, and before a line goes to the writer: what a power cut \
                           may cost; four a second cost nothing beside the handshakes */
#define STORE_COMMIT_BYTES                                                                         \
    (64u << 20)             /* or so many bytes of rows: a transaction's pages stay in memory */
#define STORE_BUSY_MS 60000 /* a sweep waits so long for a reader's or a shell's lock */
#define STORE_CHAINS_MAX                                                                           \
    (16u << 20) /* chains known by heart, 60 bytes each, taken as they come; 3 million are real */
#define STORE_RECALL_MAX                                                                           \
    (4u << 20) /* remembered path sets, about 80 bytes each, the youngest chains first */

/* --- corpora (pinsweep hash) --- */
#define CORPUS_BLOCK_BYTES                                                                         \
    (256u << 10) /* input handed to a worker at a time: it and its DER stay in a core's cache */
#define CORPUS_RECORD_BYTES_MAX                                                                    \
    (16u << 20)              /* one record: a PKCS#7 bundle of 10,000 certificates fits */
#define CORPUS_PIECES_MAX 64 /* small files that share a block */
#define CORPUS_DEPTH_MAX 64  /* folders in folders */
#define CORPUS_THREADS_MAX 256
#define CORPUS_HEADER_BYTES_MAX                                                                    \
    (64u << 10) /* the first line of a CSV file; also looked at to guess */
#define CORPUS_UNIQUE_DEFAULT                                                                      \
    (16u << 20) /* pins that --unique remembers: 1 GB at most, taken as they come */

#endif
