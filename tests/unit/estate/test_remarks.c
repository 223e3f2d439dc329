/*
 * The table of remarks and its documentation: each id has one paragraph, and no paragraph is about another id.
 */
/* SPDX-License-Identifier: MIT */
#include "files.h"

#include "estate/remarks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *documentation(void)
{
    size_t size;
    char *text = (char *)files_read("docs/orphans.md", &size);
    cr_assert(text, "docs/orphans.md cannot be read (tests run from the top of the source tree)");
    text[size - 1] = 0;
    return text;
}

Test(remarks, each_has_a_paragraph_in_the_documentation)
{
    char *text = documentation();
    size_t count = 0;
    for (const char *id; (id = vx_remark_id((enum vx_remark)count)) != NULL; count++) {
        char heading[96];
        snprintf(heading, sizeof heading, "\n**%s** ", id);
        cr_expect(strstr(text, heading), "%s has no paragraph", id);
    }
    cr_expect_gt(count, 40);
    free(text);
}

Test(remarks, no_paragraph_is_about_what_is_never_said)
{
    char *text = documentation();
    for (char *at = strstr(text, "\n**ORPHANS-"); at; at = strstr(at + 1, "\n**ORPHANS-")) {
        char id[64] = "";
        bool known = false;
        cr_assert_eq(sscanf(at, "\n**%63[A-Z-]**", id), 1);
        for (size_t i = 0; vx_remark_id((enum vx_remark)i); i++)
            known = known || strcmp(vx_remark_id((enum vx_remark)i), id) == 0;
        cr_expect(known, "%s", id);
    }
    free(text);
}

Test(remarks, ids_differ)
{
    for (size_t i = 0; vx_remark_id((enum vx_remark)i); i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(vx_remark_id((enum vx_remark)i), vx_remark_id((enum vx_remark)j));
}
