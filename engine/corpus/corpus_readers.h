/* Private to the corpus: how each format is recognised, cut into records and read. A reader gets a
   piece that begins at a record's start and ends at a record's end,
   or where the file ends. */
#ifndef PINSWEEP_CORPUS_CORPUS_READERS_H
#define PINSWEEP_CORPUS_CORPUS_READERS_H

#include "engine/corpus/corpus_batch.h"

/* Of a text that does not look like anything so far: its first certificate may be behind that. */
#define CORPUS_GUESS_BYTES (CORPUS_BLOCK_BYTES / 4)

/* The format of a file that begins with `head`: sets format and, for CSV,
   separator and column. `forced` CORPUS_AUTO guesses. False with what is wrong; CSV's column may be
   named by `column`. */
bool corpus_recognise(struct span head, enum corpus_format forced, const char *column,
                      struct corpus_file *out, const char **out_why);

/* How much of the text, which is not all of the file, is whole records: cut there. 0: not even one
   is whole. `*out_is_lost` true: what follows cannot be parted any more, the reader will say why.
 */
size_t corpus_cut(const struct corpus_file *file, struct span text, bool *out_is_lost);

void corpus_read_piece(struct corpus_batch *batch, const struct corpus_piece *piece,
                       struct span bytes);

/* --- one file each --- */

void corpus_read_pem(struct corpus_batch *batch, struct span text, struct corpus_place place);
size_t corpus_cut_pem(struct span text);
bool corpus_is_pem(struct span head);
/* Its first BEGIN begins a line: in NDJSON and CSV a quote or a separator stands before it. */
bool corpus_has_pem_line(struct span head);

void corpus_read_der(struct corpus_batch *batch, struct span bytes, enum corpus_format format,
                     struct corpus_place place);
size_t corpus_cut_der(struct span bytes, enum corpus_format format, bool *out_is_lost);
/* DER, DER4, DER3, DER2 or AUTO (none of them). */
enum corpus_format corpus_der_format(struct span head);
/* Length of the SEQUENCE at the front with its header, by its header alone; false if it has none.
 */
bool corpus_der_len(struct span bytes, size_t *out_len);

/* ContentInfo with SignedData (RFC 2315 section 14, RFC 5652 section 3) by its first bytes, in DER
   or BER. */
bool corpus_is_pkcs7(struct span head);
void corpus_read_pkcs7(struct corpus_batch *batch, struct span bytes, struct corpus_place place);

void corpus_read_ndjson(struct corpus_batch *batch, struct span text, struct corpus_place place);
bool corpus_is_ndjson(struct span head);

void corpus_read_csv(struct corpus_batch *batch, struct span text, const struct corpus_piece *piece,
                     struct corpus_place place);
size_t corpus_cut_csv(struct span text, char separator);
/* Finds the column in the header line; `column` NULL: by the known names. */
bool corpus_csv_header(struct span head, const char *column, struct corpus_file *out,
                       const char **out_why);

void corpus_read_base64(struct corpus_batch *batch, struct span text, struct corpus_place place);
bool corpus_is_base64(struct span head);

/* A field of a record: PEM, or base64 of a certificate. `is_certain` false: the name of the field
   says little ("raw"), so what is no certificate is none, and no complaint. False if it was none.
 */
bool corpus_read_field(struct corpus_batch *batch, struct span text, bool is_certain,
                       struct corpus_place place);

#endif
