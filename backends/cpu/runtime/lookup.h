/* Rows of tables that nobody may see the numbers of: the program asks whoever keeps them in an oblivious map. */
#ifndef PENSTOCK_LOOKUP_H
#define PENSTOCK_LOOKUP_H

#include <stdint.h>

/* Writes `count` rows of a table of the program (program.json: lookups) to `rows`, in the order of `index`. */
typedef void pst_client(int32_t table, int64_t count, const void *index, void *rows);

/* Who is asked by the runs to come; a run of an entry that looks up gives ENOTCONN while there is nobody. */
void penstock_look_up_by(pst_client *client);

int pst_has_client(void);
void pst_look_up(int32_t table, int64_t count, const void *index, void *rows);

#endif
