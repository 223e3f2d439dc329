/* The account of a virtual machine, against a record that Windows wrote and a second id, computed by hand. */
/* SPDX-License-Identifier: MIT */
#include "base/sid.h"

#include <criterion/criterion.h>

static void expect_sid(const char *id, const char *sid)
{
    vhdx_guid guid;
    char text[VHDX_SID_ROOM];
    cr_assert_eq(vhdx_guid_parse(id, &guid), VHDX_OK);
    vhdx_machine_sid(&guid, text);
    cr_assert_str_eq(text, sid);
}

Test(sid, is_the_one_of_a_windows_event_record)
{
    expect_sid("D9E0EB0A-5B37-508E-9173-67E9ADE83ACF", "S-1-5-83-1-3655396106-1351506743-3915871121-3476744365");
}

Test(sid, has_the_words_in_the_order_of_memory)
{
    expect_sid("282874FC-59D6-4F30-BC04-5FDD909C82E0", "S-1-5-83-1-673740028-1328568790-3713991868-3766656144");
    expect_sid("00000001-0003-0002-0400-000005000000", "S-1-5-83-1-1-131075-4-5");
}

Test(sid, fits_its_room_at_the_largest)
{
    expect_sid("ffffffff-ffff-ffff-ffff-ffffffffffff", "S-1-5-83-1-4294967295-4294967295-4294967295-4294967295");
}
