/*
 * vhdx.h - the whole public interface of libvhdx: open, read, create and merge Hyper-V virtual disks (VHDX, AVHDX).
 *
 * Read it from top to bottom: statuses and errors, the files of the host, one image, a chain of layers, a new disk,
 * the merge, verify and repair, and at the end what can hurt you. Section numbers such as "MS-VHDX 2.3" are those of
 * the published format specification. All paths are UTF-8 on every system. All offsets and lengths are bytes unless a
 * name says otherwise; `virtual_offset` is a place on the virtual disk, `offset` or `file_offset` a place in a file.
 *
 * Rules that hold for every function:
 *  - It returns a vhdx_status; VHDX_OK is zero. Outputs are written only on VHDX_OK unless the function says more.
 *  - `err` may be NULL. If it is not, it is filled on failure and left cleared on success.
 *  - Options are structs that begin with their own size (`struct_size = sizeof(...)`). A NULL pointer or a struct whose
 *    other members are zero means the defaults. A struct may be larger than the library knows, when what it does not
 *    know is zero: else VHDX_ARG, since an option that is not understood must not be dropped in silence.
 *  - Structs that the library hands out by pointer grow at their end. Those that a caller allocates, or that are handed
 *    out as arrays, carry their size, or their comment says "frozen" and why: they never change after version 1.0.
 *  - A handle has one function ending in `_free`, which takes NULL. Nothing is for the caller's own free().
 *  - What a handle knows is asked for by `vhdx_THING_NOUN(handle)`, with a number for one of several, and NULL where it
 *    has none of that number. The answer belongs to the handle.
 *  - All values of an enum begin alike, and no others do (statuses alone have the bare `VHDX_`).
 *  - One thread uses a handle at a time, unless the function says otherwise. Handles are independent of each other.
 *  - The library never prints, never exits, installs no signal handlers and keeps no global state.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_H
#define VHDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VHDX_VERSION_MAJOR 0
#define VHDX_VERSION_MINOR 1
#define VHDX_VERSION_PATCH 0

#if defined(__GNUC__) && !defined(_WIN32)
#define VHDX_API __attribute__((visibility("default")))
#else
#define VHDX_API
#endif

/* The version of the library that runs, for example "0.1.0". Never NULL; static storage. */
VHDX_API const char *vhdx_version(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Statuses and errors                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

/* What a caller can do about it. Numbers are pinned, with gaps; they are never used again for something else. */
typedef enum vhdx_status {
    VHDX_OK = 0,
    /* the caller */
    VHDX_NOMEM = 1,     /* memory ran out */
    VHDX_ARG = 2,       /* an argument makes no sense; nothing was done */
    VHDX_STATE = 3,     /* the handle is in no state for this call */
    VHDX_CANCELLED = 4, /* the progress callback said stop */
    /* the host's files */
    VHDX_IO = 10,        /* the host reported an error; see system_code */
    VHDX_TRUNCATED = 11, /* the file ends before what was to be read */
    VHDX_NO_SPACE = 12,  /* the volume is full, or would be */
    VHDX_READ_ONLY = 13, /* the file or the volume must not be written */
    VHDX_BUSY = 14,      /* another program holds the file */
    VHDX_POISONED = 15,  /* an earlier flush of this handle failed; what is on disk is unsure; open again */
    VHDX_NOT_FOUND = 16, /* no such file */
    VHDX_EXISTS = 17,    /* a file of that name is already there */
    /* the disk */
    VHDX_NOT_VHDX = 20,    /* the signature is missing */
    VHDX_UNSUPPORTED = 21, /* valid perhaps, but with a required part this library does not know */
    VHDX_CORRUPT = 22,     /* the format's rules are broken where it matters */
    VHDX_LOG_DIRTY = 23,   /* the log must be replayed first, and was not allowed to be */
    VHDX_LIMIT = 24,       /* larger than this library, the format or the host's file system goes */
    VHDX_NOT_CONFIG = 25,  /* no configuration of a virtual machine */
    /* the chain */
    VHDX_PARENT_MISSING = 30,  /* no file was found under any of the parent's names */
    VHDX_PARENT_MISMATCH = 31, /* files were found, but none has the identity that the child names */
    VHDX_PARENT_LOOP = 32,     /* a layer is its own ancestor */
    VHDX_REFUSED = 33,         /* would make another disk invalid; the message names it */
    /* undo files */
    VHDX_UNDO_MISMATCH = 40, /* the undo file belongs to another disk */
} vhdx_status;

/* The status's name without its prefix, for example "PARENT_MISMATCH"; "UNKNOWN" for a number that is none. Static. */
VHDX_API const char *vhdx_status_name(vhdx_status status);

/* Says "no offset" and "no index" in the struct below. */
#define VHDX_NOWHERE UINT64_MAX

/* Room for a path and its NUL where a struct of the caller's has one: that of Linux, which opens no longer ones. */
#define VHDX_PATH_ROOM 4096

/*
 * What to do about an error, a finding or a notice, for programs: buttons, translations, words of their own. Beside it
 * `advice_text` has the library's words, which speak of operations and never of a command's options, and
 * `advice_arguments` what they say besides (paths, values; not quoted). Numbers are pinned as those of statuses are. A
 * program that does not know one shows the text.
 */
typedef enum vhdx_advice {
    VHDX_ADVICE_NONE = 0, /* nothing is to be done, and there is no text */
    VHDX_ADVICE_TEXT = 1, /* something outside of this library, or another argument: the text says it */
    /* Make the same call again, after what the words say. */
    VHDX_ADVICE_CALL_AGAIN = 10, /* to go on, or to try once more */
    VHDX_ADVICE_FREE_SPACE = 11, /* on the volume */
    VHDX_ADVICE_CHECK_VOLUME = 12,
    VHDX_ADVICE_END_OTHER_USE = 13,
    VHDX_ADVICE_FREE_SPACE_OR_KEEP = 14,
    VHDX_ADVICE_FREE_SPACE_TO_RECLAIM = 15,
    VHDX_ADVICE_FREE_SPACE_OR_RECLAIM = 16,
    VHDX_ADVICE_MERGE_UNFINISHED = 17, /* {1} the child, which reads as before; see `advice_then` */
    VHDX_ADVICE_GO_ON_OR_UNDO = 18,
    VHDX_ADVICE_FREE_SPACE_GO_ON_OR_UNDO = 19,
    /* Repair; nothing is lost by that. */
    VHDX_ADVICE_REPAIR = 20,
    VHDX_ADVICE_REPAIR_LOG_FIRST = 21,
    VHDX_ADVICE_REPAIR_KEEPS_BLOCKS = 22,
    VHDX_ADVICE_REPAIR_EMPTIES_LOG = 23,
    VHDX_ADVICE_REPAIR_ENTRIES_FIRST = 24,
    VHDX_ADVICE_REPAIR_ENTRIES = 25,
    VHDX_ADVICE_REPAIR_MAKES = 26,
    VHDX_ADVICE_REPAIR_MAKES_BY = 27,
    VHDX_ADVICE_REPAIR_ROOM = 28,
    VHDX_ADVICE_REPAIR_SETS = 29,
    VHDX_ADVICE_REPAIR_MARKS_CHILD = 30,
    VHDX_ADVICE_REPAIR_LINKAGE = 31,
    VHDX_ADVICE_REPAIR_PATHS = 32,
    VHDX_ADVICE_REPAIR_LINKS = 33,
    VHDX_ADVICE_REPAIR_ASSUME = 34,
    VHDX_ADVICE_REPAIR_ASSUME_BLOCK_SIZE = 35,
    /* Repair with losses allowed (`salvage`): what is lost already is given up, and listed. */
    VHDX_ADVICE_LOSSY = 40,
    VHDX_ADVICE_LOSSY_ENTRIES_FIRST = 41,
    VHDX_ADVICE_LOSSY_ENTRIES = 42,
    VHDX_ADVICE_LOSSY_MAKES = 43,
    VHDX_ADVICE_LOSSY_MAKES_BY = 44,
    VHDX_ADVICE_LOSSY_ROOM = 45,
    VHDX_ADVICE_LOSSY_SETS = 46,
    VHDX_ADVICE_LOSSY_LINKS = 47,
    VHDX_ADVICE_LOSSY_CLEARS = 48,
    VHDX_ADVICE_LOSSY_MAKES_PRESENT = 49,
    VHDX_ADVICE_LOSSY_GIVES_UP = 50,
    VHDX_ADVICE_LOSSY_MOVED = 51,
    VHDX_ADVICE_LOSSY_TELLS = 52,
    VHDX_ADVICE_LOSSY_FORGETS_PARENT = 53,
    /* Salvage to a new file (vhdx_salvage): it reads what is left and changes nothing. */
    VHDX_ADVICE_SALVAGE = 60,
    VHDX_ADVICE_SALVAGE_THEN_REPAIR = 61,
    VHDX_ADVICE_SALVAGE_THEN_REPLAY = 62,
    VHDX_ADVICE_SALVAGE_PIECES = 63,
    VHDX_ADVICE_SALVAGE_RUIN = 64,
    VHDX_ADVICE_SALVAGE_AND_REPORT = 65,
    VHDX_ADVICE_SALVAGE_OR_LOSSY = 66,
    /* The parent: name it, or link the child to it (vhdx_relink, with `force` where its id does not prove it). */
    VHDX_ADVICE_NAME_PARENT = 70,
    VHDX_ADVICE_NAME_RIGHT_PARENT = 71,
    VHDX_ADVICE_NAME_PARENT_AND_RELINK = 72,
    VHDX_ADVICE_RELINK_FORCED = 73,
    VHDX_ADVICE_RELINK_FORCED_MIXTURE = 74,
    VHDX_ADVICE_RELINK_FORCED_DAMAGE = 75,
    VHDX_ADVICE_RELINK_FORCED_WRITTEN = 76,
    VHDX_ADVICE_LOSSY_OR_RELINK_FORCED = 77,
    VHDX_ADVICE_RELINK_CHILD = 78,
    VHDX_ADVICE_RELINK_CHILDREN = 79,
    /* Merge, otherwise. */
    VHDX_ADVICE_LIST_LAYERS = 80,
    VHDX_ADVICE_MERGE_TO_NEW = 81,
    VHDX_ADVICE_MERGE_TO_NEW_OR_FORCE = 82,
    VHDX_ADVICE_MERGE_REPEAT = 83,
    VHDX_ADVICE_MEND_SIBLING_OR_FORCE = 84,
    VHDX_ADVICE_MEND_LAYER_OR_FORCE = 85,
    VHDX_ADVICE_MERGE_INTO_BASE_OR_DOWN = 86,
    VHDX_ADVICE_MERGE_DOWN_OR_KEEP = 87,
    VHDX_ADVICE_MERGE_GOES_ON = 88,
    VHDX_ADVICE_MERGE_COMPLETES = 89,
    /* Verify. */
    VHDX_ADVICE_VERIFY = 90,
    VHDX_ADVICE_VERIFY_FILE = 91,
    VHDX_ADVICE_VERIFY_WITHOUT_MANIFEST = 92,
    /* Other places for files that protect or tell. */
    VHDX_ADVICE_UNDO_ELSEWHERE_OR_SPACE = 100,
    VHDX_ADVICE_UNDO_ELSEWHERE = 101,
    VHDX_ADVICE_UNDO_NAME = 102,
    VHDX_ADVICE_UNDO_FILE_ITSELF = 103,
    VHDX_ADVICE_UNDO_FORCED = 104,
    VHDX_ADVICE_MAP_ELSEWHERE_OR_SPACE = 105,
    VHDX_ADVICE_MAP_ELSEWHERE = 106,
    VHDX_ADVICE_MAP_NAME = 107,
    VHDX_ADVICE_RESCUE_AND_REPAIR = 108,
    VHDX_ADVICE_NAME_REPORTS = 109,
    VHDX_ADVICE_NAME_MAPS = 110,
    /* Changing one disk in place. */
    VHDX_ADVICE_SET_LEAF_OR_FORCE = 120,
    VHDX_ADVICE_RESIZE_LEAF = 121,
    /* Make a VHDX of it (vhdx_convert): what writes in place takes no other format. {1} the file. */
    VHDX_ADVICE_CONVERT = 130,
} vhdx_advice;

/* Whether the same call is to be made again, after what the words say. */
#define VHDX_ADVICE_IS_AGAIN(advice) ((advice) >= VHDX_ADVICE_CALL_AGAIN && (advice) < VHDX_ADVICE_REPAIR)
/* Whether a repair without losses does it, or one with losses allowed. */
#define VHDX_ADVICE_IS_REPAIR(advice) ((advice) >= VHDX_ADVICE_REPAIR && (advice) < VHDX_ADVICE_LOSSY)
#define VHDX_ADVICE_IS_LOSSY(advice) ((advice) >= VHDX_ADVICE_LOSSY && (advice) < VHDX_ADVICE_SALVAGE)

/* Its name without the prefix, for example "NAME_PARENT"; "UNKNOWN" for a number that is none. Static. */
VHDX_API const char *vhdx_advice_name(vhdx_advice advice);

/*
 * What happened. The caller owns the struct; no memory hangs on it and it may be copied. `message` says what is wrong
 * (with expected and found values where there are any), `path`, `structure`, `offset` and `index` say where, `advice`
 * says what to do about it. Strings are UTF-8 and always terminated. A path that has no room (only Windows has such) is
 * cut in the middle for people to read, and `path_length` says so: half a path must not be opened. Some 10 KiB: mind it
 * on small stacks. Frozen: callers allocate it and callbacks fill it, each with the vhdx.h that it was compiled with.
 */
typedef struct vhdx_error {
    vhdx_status status;
    int system_code;       /* errno, or on Windows GetLastError(); 0 = none */
    const char *structure; /* "header", "BAT", ...: static storage; NULL = none */
    uint64_t offset;       /* in the file at `path`, or VHDX_NOWHERE */
    uint64_t index;        /* of the entry, block or descriptor in that structure, or VHDX_NOWHERE */
    size_t path_length;    /* bytes of the whole path; VHDX_PATH_ROOM or more: `path` is cut */
    char path[VHDX_PATH_ROOM];
    char message[640];
    vhdx_advice advice;
    vhdx_advice advice_then; /* of MERGE_UNFINISHED: what to do before the merge is called again; else NONE */
    char advice_argument[VHDX_PATH_ROOM]; /* {1} of the advice; "" = it has none, or no room for it */
    char advice_text[1024];               /* "" = nothing is to be done */
} vhdx_error;

/*
 * Writes the error as one line in the library's words, "PATH: what (where); what to do", without a line end, into
 * `text`: cut to fit, always terminated when `text_size` is not 0.
 */
VHDX_API void vhdx_error_format(const vhdx_error *err, char *text, size_t text_size);

typedef enum vhdx_shell {
    VHDX_SHELL_HERE = 0,       /* a POSIX shell; cmd.exe where we run on Windows */
    VHDX_SHELL_POWERSHELL = 1, /* for commands that are to be typed on a Hyper-V host */
} vhdx_shell;

/*
 * `name` as one word of a command, whatever is in it: names of files and machines come from strangers, and people paste
 * commands. Returns the length of the word without its NUL, 0 when memory ran out. It is written to `text` (NULL with
 * `room` 0 just to measure) only when it fits, for half a name is another one; else `text` becomes empty.
 */
VHDX_API size_t vhdx_quote(const char *name, vhdx_shell shell, char *text, size_t room);

/* A GUID as its 16 bytes on disk (first three groups little-endian). Frozen: a GUID has no more. */
typedef struct vhdx_guid {
    uint8_t bytes[16];
} vhdx_guid;

/* Writes 36 lower-case characters and a NUL: "2dc27766-f623-4200-9d64-115e9bfd4a08". */
VHDX_API void vhdx_guid_format(const vhdx_guid *guid, char text[37]);

/* Reads that form, upper or lower case, with or without braces. VHDX_ARG when `text` is something else. */
VHDX_API vhdx_status vhdx_guid_parse(const char *text, vhdx_guid *guid);

/* ---------------------------------------------------------------------------------------------------------------- */
/* The host's files                                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------- */

/*
 * A caller that keeps its disks elsewhere (in memory, in an object store) supplies a vhdx_host; everyone else passes
 * NULL and gets the files of the operating system. Callbacks fill `err` through nothing but `system_code` and `message`
 * if they like; the library adds path and offset. A callback must transfer everything or fail.
 */
typedef enum vhdx_file_attributes {
    VHDX_FILE_SPARSE_HARMS = 1, /* this host's readers refuse sparse files (NTFS): grow with zeros, never punch */
    VHDX_FILE_IS_SPARSE = 2,
    VHDX_FILE_IS_COMPRESSED = 4,
    VHDX_FILE_IS_ENCRYPTED = 8,
    VHDX_FILE_IS_READ_ONLY = 16, /* marked read-only */
    VHDX_FILE_IS_BLOCK_DEVICE = 32,
    /* clone works between the files of this volume: plans count on it; a merge tries in any case */
    VHDX_FILE_CAN_SHARE = 64,
} vhdx_file_attributes;

/*
 * What a host knows of a file. Frozen: the library allocates it and a host fills it whole, each compiled with its own
 * vhdx.h, and neither must write beyond what the other knows. More facts will come by a new callback.
 */
typedef struct vhdx_file_facts {
    uint64_t volume; /* with `file`: equal for two names of one file, different otherwise; all 0 = not known */
    uint64_t file[2];
    uint32_t attributes;  /* vhdx_file_attributes */
    uint32_t share_unit;  /* clone takes whole multiples of it, place and length; 0 = 4096 */
    uint32_t share_least; /* copying a shorter range costs less than sharing it; 0 = it never does */
    uint64_t allocated;   /* bytes that the file takes on its volume; 0 = not known */
    int64_t modified;     /* seconds since 1970; 0 = not known */
} vhdx_file_facts;

/* One open file. `file` is the callback owner's. Members after `close` may be NULL where the host lacks them. */
typedef struct vhdx_io_ops {
    size_t struct_size;
    vhdx_status (*read)(void *file, void *buf, size_t length, uint64_t offset, vhdx_error *err);
    vhdx_status (*write)(void *file, const void *buf, size_t length, uint64_t offset, vhdx_error *err);
    vhdx_status (*size)(void *file, uint64_t *size, vhdx_error *err);
    /* Cuts the file or makes it longer; what is gained reads as zeros. */
    vhdx_status (*set_size)(void *file, uint64_t size, vhdx_error *err);
    /* Returns when all that was written, and the size, survive a power cut. */
    vhdx_status (*flush)(void *file, vhdx_error *err);
    void (*close)(void *file);

    vhdx_status (*facts)(void *file, vhdx_file_facts *facts, vhdx_error *err);
    /* Makes the range read as zeros and gives its space back. VHDX_UNSUPPORTED: the library writes zeros instead. */
    vhdx_status (*punch)(void *file, uint64_t offset, uint64_t length, vhdx_error *err);
    /* Shares `length` bytes of `source` (same host) with this file. VHDX_UNSUPPORTED: the library copies. */
    vhdx_status (*clone)(void *file, uint64_t offset, void *source, uint64_t source_offset, uint64_t length,
                         vhdx_error *err);
    /* The range will be read soon. A hint: never fails. */
    void (*will_need)(void *file, uint64_t offset, uint64_t length);
    /* The range will not be needed again. A hint: never fails. */
    void (*dont_need)(void *file, uint64_t offset, uint64_t length);
    /* The first range at or after `offset` that may hold something else than zeros; *length = 0: none up to the end. */
    vhdx_status (*next_data)(void *file, uint64_t offset, uint64_t *data_offset, uint64_t *length, vhdx_error *err);
    /* In how many pieces the file is on its volume. VHDX_UNSUPPORTED: the host cannot tell. */
    vhdx_status (*extents)(void *file, uint64_t *count, vhdx_error *err);
    /* The file's security descriptor, self-relative, as NTFS has it. *size: its length, also when that is more than
     * `room`. VHDX_UNSUPPORTED: it has none. */
    vhdx_status (*security)(void *file, void *buf, size_t room, size_t *size, vhdx_error *err);
} vhdx_io_ops;

/* Frozen: hosts and the library hand it to each other by value. */
typedef struct vhdx_io {
    const vhdx_io_ops *ops;
    void *file;
} vhdx_io;

typedef enum vhdx_open_mode {
    VHDX_OPEN_READ = 0,    /* shared with other readers; VHDX_BUSY when another program may write to it */
    VHDX_OPEN_WRITE = 1,   /* for this process alone; VHDX_BUSY when anybody else has it in use */
    VHDX_OPEN_CREATE = 2,  /* as WRITE, a new file; VHDX_EXISTS when there is one that is not empty */
    VHDX_OPEN_REPLACE = 3, /* as CREATE, but an existing file is emptied */
    VHDX_OPEN_PEEK = 4,    /* read without taking or respecting locks: only for looking at files of unknown owners */
} vhdx_open_mode;

/* Frozen, as vhdx_file_facts is. */
typedef struct vhdx_space {
    uint64_t free_bytes;    /* UINT64_MAX = not known */
    uint64_t max_file_size; /* of one file on this volume; UINT64_MAX = not known */
} vhdx_space;

/* What a name in a directory leads to. */
typedef enum vhdx_entry_type {
    VHDX_ENTRY_UNKNOWN = 0,
    VHDX_ENTRY_FILE = 1, /* or a block device */
    VHDX_ENTRY_DIRECTORY = 2,
    VHDX_ENTRY_LINK = 3,  /* leads elsewhere */
    VHDX_ENTRY_OTHER = 4, /* nothing that could be read */
} vhdx_entry_type;

typedef struct vhdx_host {
    size_t struct_size;
    void *context;
    bool windows_paths; /* '\\' separates too, letter case of names does not matter */
    vhdx_status (*open)(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err);
    /* Calls `visit` for each name in the directory but "." and ".."; ends early when it returns false. */
    vhdx_status (*list)(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                        void *visitor, vhdx_error *err);
    vhdx_status (*remove)(void *context, const char *path, vhdx_error *err);
    /* Atomic; replaces `to`. */
    vhdx_status (*rename)(void *context, const char *from, const char *to, vhdx_error *err);
    /* Makes names that were created, renamed or removed in the directory survive a power cut. */
    vhdx_status (*sync_directory)(void *context, const char *directory, vhdx_error *err);
    /* An absolute form without "." and ".." of `path`, terminated. VHDX_LIMIT when it does not fit. */
    vhdx_status (*absolute)(void *context, const char *path, char *text, size_t text_size, vhdx_error *err);
    vhdx_status (*space)(void *context, const char *path, vhdx_space *space, vhdx_error *err);
    vhdx_status (*random)(void *context, void *buf, size_t length, vhdx_error *err);
    /* As rename, and what is at `to` afterwards has the owner, mode, ACL and attributes that `to` had. May be NULL:
     * rename is used. */
    vhdx_status (*replace)(void *context, const char *from, const char *to, vhdx_error *err);
    /* As list, with what each name leads to. May be NULL: list is used, and the names are tried. */
    vhdx_status (*list_entries)(void *context, const char *directory,
                                bool (*visit)(void *visitor, const char *name, vhdx_entry_type type), void *visitor,
                                vhdx_error *err);
    /* What is at the path, through links. May be NULL: the search for disks then meets linked files twice. */
    vhdx_status (*look)(void *context, const char *path, vhdx_entry_type *type, vhdx_file_facts *facts,
                        vhdx_error *err);
} vhdx_host;

/* The operating system's own files, which NULL stands for. Static storage. */
VHDX_API const vhdx_host *vhdx_native_host(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Progress and notices of long work                                                                                */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef enum vhdx_phase {
    VHDX_PHASE_PLAN = 1,
    VHDX_PHASE_COPY = 2,
    VHDX_PHASE_FINISH = 3,
    VHDX_PHASE_READ = 4,
} vhdx_phase;

/* Valid during the call only. Grows at its end. */
typedef struct vhdx_progress {
    vhdx_phase phase;
    uint64_t bytes_done;
    uint64_t bytes_total; /* 0 = not known */
} vhdx_progress;

/* Called from the thread that called the library, some times a second at most. false asks to cancel: VHDX_CANCELLED. */
typedef bool (*vhdx_progress_fn)(void *context, const vhdx_progress *progress);

typedef enum vhdx_notice_kind {
    VHDX_NOTICE_DETAIL = 1,  /* for --verbose */
    VHDX_NOTICE_WARNING = 2, /* worth a look, did not stop the work */
    VHDX_NOTICE_NEXT = 3,    /* what is to be done now, outside of the library (in Hyper-V) */
    VHDX_NOTICE_NOTE = 4,    /* worth knowing while the work goes on; nothing is wrong */
} vhdx_notice_kind;

/* Grows at its end. */
typedef struct vhdx_notice {
    vhdx_notice_kind kind;
    const char *text; /* one line or some, without a line end at its end */
    vhdx_advice advice;
    const char *advice_arguments[2]; /* NULL = none */
    const char *advice_text;         /* "" = none; not in `text` */
} vhdx_notice;

/* The notice is valid during the call only. */
typedef void (*vhdx_notice_fn)(void *context, const vhdx_notice *notice);

/* ---------------------------------------------------------------------------------------------------------------- */
/* One image                                                                                                        */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_image vhdx_image;

typedef enum vhdx_kind {
    VHDX_KIND_FIXED = 1,
    VHDX_KIND_DYNAMIC = 2,
    VHDX_KIND_DIFFERENCING = 3,
} vhdx_kind;

typedef enum vhdx_log_state {
    VHDX_LOG_STATE_CLEAN = 0, /* nothing to replay */
    /* was dirty; its active sequence was replayed in memory, or to disk when open for writing */
    VHDX_LOG_STATE_REPLAYED = 1,
    VHDX_LOG_STATE_CORRUPT = 2, /* must be replayed, but holds no valid active sequence; MS-VHDX 2.3.3 */
    VHDX_LOG_STATE_UNBEGUN = 3, /* marked as in use, and nothing was ever logged: what is in the file is complete */
    /* older than the file in all that it holds: not replayed, and not written to before a repair */
    VHDX_LOG_STATE_STALE = 4,
} vhdx_log_state;

typedef enum vhdx_format {
    VHDX_FORMAT_VHDX = 1,
    VHDX_FORMAT_VHD = 2, /* the format before it; 512 bytes a sector, at most 2040 GiB */
    VHDX_FORMAT_RAW = 3, /* the bytes of the disk and nothing else */
} vhdx_format;

/* Text of the parent locator's keys as found in the file (MS-VHDX 2.6.2.6.3), NULL where a key is absent.
 * Frozen: part of vhdx_found_file. */
typedef struct vhdx_parent_names {
    const char *relative_path;
    const char *volume_path;
    const char *absolute_win32_path;
    bool has_linkage, has_linkage2;
    vhdx_guid linkage, linkage2; /* all zero in `linkage2` means "not set" */
} vhdx_parent_names;

/* Facts about an open image. Grows at its end in later versions. */
typedef struct vhdx_info {
    const char *path;
    vhdx_kind kind;
    vhdx_log_state log;
    uint64_t virtual_size;
    uint64_t file_size;
    uint32_t block_size;
    uint32_t logical_sector_size;
    uint32_t physical_sector_size;
    vhdx_guid virtual_disk_id;
    vhdx_guid file_write_guid;
    vhdx_guid data_write_guid;
    const char *creator;             /* UTF-8, may be empty */
    const vhdx_parent_names *parent; /* NULL unless differencing */
    /* of a VHD: its unique id is all three guids, the parent's is parent->linkage, its creator is four characters */
    vhdx_format format;
} vhdx_info;

typedef struct vhdx_open_options {
    size_t struct_size;
    const vhdx_host *host;      /* NULL = the operating system's files; must outlive the handle */
    const char *const *parents; /* files or directories in which to look for ancestors, before all others */
    size_t parent_count;
    bool inspect_only; /* accept a corrupt log: facts are those on disk, content cannot be read */
    /* WARNING: what was taken for the truth where the disk contradicts itself. Of a chain it hears more before the
     * first walk, stream, export or hash, from the thread that does that, and must be there until then */
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_open_options;

/*
 * Opens the image at `path` for reading: chooses header and region table, replays a dirty log in memory (the file is
 * never written), reads the metadata items. The BAT is not read yet. The file stays open, shared with readers, until
 * vhdx_image_free. Failure leaves nothing behind. Statuses to act on: NOT_FOUND, BUSY, NOT_VHDX, UNSUPPORTED, CORRUPT.
 * A VHD opens too, by its content, whatever its name; vhdx_merge, vhdx_repair and whatever else writes in place says
 * NOT_VHDX of it.
 */
VHDX_API vhdx_status vhdx_image_open(const char *path, const vhdx_open_options *options, vhdx_image **image,
                                     vhdx_error *err);
VHDX_API void vhdx_image_free(vhdx_image *image);

/* The facts; they and their strings belong to the image and live as long as it. Any number of threads. */
VHDX_API const vhdx_info *vhdx_image_info(const vhdx_image *image);

/* ---------------------------------------------------------------------------------------------------------------- */
/* A chain of layers                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_chain vhdx_chain;

/*
 * Opens the image at `path` and all its ancestors down to the base, for reading. Each parent is looked for in
 * `options->parents`, then under the locator's paths (MS-VHDX 2.2.4), and accepted only when its DataWriteGuid equals
 * the child's parent_linkage or a non-zero parent_linkage2. PARENT_MISSING, PARENT_MISMATCH, PARENT_LOOP, LIMIT (more
 * than 256 layers) and UNSUPPORTED (logical sector sizes differ) say why not. Failure leaves nothing behind. A chain of
 * VHDs opens too; there the parent's unique id is what proves it.
 */
VHDX_API vhdx_status vhdx_chain_open(const char *path, const vhdx_open_options *options, vhdx_chain **chain,
                                     vhdx_error *err);
VHDX_API void vhdx_chain_free(vhdx_chain *chain);

/* `layer` counts from the leaf, which is 0. The facts are valid during the call only. */
typedef void (*vhdx_layer_fn)(void *context, size_t layer, const vhdx_info *info);

/*
 * Tells of each layer from the leaf down, as far as the chain can be followed, and then returns why it ends, where that
 * is not at a base: what vhdx_chain_open() would. For people looking for a lost parent.
 */
VHDX_API vhdx_status vhdx_chain_list(const char *path, const vhdx_open_options *options, vhdx_layer_fn layer,
                                     void *context, vhdx_error *err);

/* Number of layers, at least 1. Layer 0 is the leaf, the last one the base. Any number of threads. */
VHDX_API size_t vhdx_chain_layer_count(const vhdx_chain *chain);
/* Facts of one layer, NULL when there is no such layer; they live as long as the chain. Any number of threads. */
VHDX_API const vhdx_info *vhdx_chain_layer(const vhdx_chain *chain, size_t layer);

/*
 * Reads `length` bytes of the virtual disk at `virtual_offset` (neither needs any alignment; both must be inside the
 * disk, else VHDX_ARG). On failure the buffer's content is undefined. Any number of threads may read one chain at once
 * (with the native host; with a caller's host, when its `read` allows it).
 */
VHDX_API vhdx_status vhdx_chain_read(vhdx_chain *chain, void *buf, size_t length, uint64_t virtual_offset,
                                     vhdx_error *err);

typedef enum vhdx_extent_state {
    VHDX_EXTENT_DATA = 1,   /* `layer` holds the bytes at `file_offset` */
    VHDX_EXTENT_ZERO = 2,   /* `layer` says that it reads as zeros */
    VHDX_EXTENT_ABSENT = 3, /* no layer says anything: reads as zeros; `layer` is the base */
} vhdx_extent_state;

/* Frozen: the caller allocates it, perhaps an array, and it is filled for each extent of a disk. */
typedef struct vhdx_extent {
    uint64_t virtual_offset;
    uint64_t length;
    uint64_t file_offset; /* VHDX_NOWHERE unless DATA */
    size_t layer;
    vhdx_extent_state state;
} vhdx_extent;

/* Walks the virtual disk from `virtual_offset` to its end, extent by extent, without gaps. Belongs to one thread; the
 * chain must outlive it. */
typedef struct vhdx_walk vhdx_walk;
VHDX_API vhdx_status vhdx_walk_new(vhdx_chain *chain, uint64_t virtual_offset, vhdx_walk **walk, vhdx_error *err);
VHDX_API void vhdx_walk_free(vhdx_walk *walk);
/* The next extent, as long as it can be told in one; `length` 0 at the end of the disk. */
VHDX_API vhdx_status vhdx_walk_next(vhdx_walk *walk, vhdx_extent *extent, vhdx_error *err);

typedef struct vhdx_stream_options {
    size_t struct_size;
    vhdx_progress_fn progress;
    void *progress_context;
    uint64_t begin; /* the first byte that is streamed; not of a hash */
    uint64_t *end;  /* NULL, or set to where the stream has come to, also when it fails */
    /* of an export that fails behind its beginning: the file stays, and durably has what is before `end` */
    bool keep_unfinished;
} vhdx_stream_options;

/* Receives the virtual disk from its first byte to its last. `buf` is NULL for `length` zeros. Not VHDX_OK ends the
 * stream with it. */
typedef vhdx_status (*vhdx_sink_fn)(void *context, const void *buf, uint64_t length, uint64_t virtual_offset,
                                    vhdx_error *err);
VHDX_API vhdx_status vhdx_chain_stream(vhdx_chain *chain, vhdx_sink_fn sink, void *context,
                                       const vhdx_stream_options *options, vhdx_error *err);

/*
 * Writes the virtual disk to the raw file `path` (emptied first; a block device is written whole), leaving holes where
 * the disk reads zeros, and flushes it. Refuses with VHDX_ARG to write onto a layer of the chain. On failure a file
 * made here is removed, unless it is to be kept. With `begin` the file has what is before it (of this very disk, which
 * the caller has to know), and is not emptied.
 */
VHDX_API vhdx_status vhdx_chain_export(vhdx_chain *chain, const char *path, const vhdx_stream_options *options,
                                       vhdx_error *err);

typedef enum vhdx_content_state {
    VHDX_CONTENT_STATE_UNREADABLE = 0, /* the disk's first sectors cannot be read */
    VHDX_CONTENT_STATE_EMPTY = 1,      /* they are zeros */
    VHDX_CONTENT_STATE_UNKNOWN = 2,    /* nothing is recognized: encrypted, of a kind that is not known, or gone */
    VHDX_CONTENT_STATE_ALIVE = 3,      /* partitions or file systems, and nothing that was looked at contradicts them */
    VHDX_CONTENT_STATE_DOUBTFUL = 4,   /* the same, but something contradicts them */
} vhdx_content_state;

/* What is on a disk, as far as partition tables and the first structures of file systems tell. Grows at its end. */
typedef struct vhdx_content {
    size_t struct_size; /* set by the caller */
    vhdx_content_state state;
    uint32_t agreements;     /* checksums that are right, structures that were found where others say */
    uint32_t contradictions; /* the same, found wrong */
    char text[400];          /* "GPT with 2 partitions: FAT 100 MiB, NTFS 59 GiB (clean)"; cut to fit */
} vhdx_content;

/*
 * Looks at what the disk at `path` holds, through its chain; reads some MiB at most and writes nothing. It is a hint,
 * which tells a broken disk from a broken file system. Fails as vhdx_chain_open does.
 */
VHDX_API vhdx_status vhdx_content_look(const char *path, const vhdx_open_options *options, vhdx_content *content,
                                       vhdx_error *err);

/* XXH3-128, canonical form, of the virtual disk's content: equal for disks that read the same, whatever their
 * layout. */
VHDX_API vhdx_status vhdx_chain_hash(vhdx_chain *chain, uint8_t hash[16], const vhdx_stream_options *options,
                                     vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* A new disk                                                                                                       */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_create_options {
    size_t struct_size;
    const vhdx_host *host;
    uint64_t virtual_size;         /* bytes; 0 only with `parent`: the parent's */
    uint32_t block_size;           /* 0 = 32 MiB for dynamic, 2 MiB for fixed and differencing, as Windows does */
    uint32_t logical_sector_size;  /* 512 or 4096; 0 = 512, with `parent`: the parent's */
    uint32_t physical_sector_size; /* 512 or 4096; 0 = 4096, with `parent`: the parent's */
    bool fixed;
    const char *parent;               /* makes an empty differencing disk on this one */
    const vhdx_guid *data_write_guid; /* NULL = a new one; given to stand in for a lost parent of known identity */
    const vhdx_guid *virtual_disk_id; /* NULL = a new one; with `parent`: always the parent's */
} vhdx_create_options;

/*
 * Makes an empty disk at `path` and flushes it. Until the very end the file has another name (`path` with ".unfinished"
 * behind it) and carries the metadata item that marks it as unfinished, so that what a power cut leaves is not taken
 * for a disk, and the same call may be made again. EXISTS when a file that is not empty is there; ARG for sizes that
 * the format does not allow (MS-VHDX 2.6.2). On failure the file is removed.
 */
VHDX_API vhdx_status vhdx_create(const char *path, const vhdx_create_options *options, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* A chain as a disk: read and written                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_disk vhdx_disk;

typedef struct vhdx_disk_options {
    size_t struct_size;
    const vhdx_host *host;      /* NULL = the operating system's files; must outlive the handle */
    const char *const *parents; /* files or directories in which to look for ancestors, before all others */
    size_t parent_count;
    bool write; /* the leaf is opened for this process alone; false: all layers for reading, shared */
    /* Write to the leaf although disks beside it are its children: they will refuse it afterwards (MS-VHDX 2.2.2). */
    bool even_with_children;
    /* What is written goes to a new differencing disk at this path, which stays; the chain is opened for reading only.
     * NULL = none. EXISTS when a file that is not empty is there. With `write` only. */
    const char *overlay;
    /* What is written goes to a file in this directory that is gone when the handle is closed. NULL = none. With
     * `write` and without `overlay` only. */
    const char *discard;
    /* Without `write`: the layer to be read as if it were the leaf, 0 = the leaf itself. */
    size_t layer;
    /* WARNING: what was taken for the truth where a layer contradicts itself; from the thread that opens */
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_disk_options;

/*
 * Opens the chain whose leaf is `path` as a disk. Nothing is written before the first change; then the leaf gets a new
 * FileWriteGuid and DataWriteGuid (MS-VHDX 2.2.2), and a dirty log is replayed (2.3.3). Fails as vhdx_chain_open();
 * with `write` also REFUSED when disks beside the leaf are its children, whose names are in the message, or when
 * entries of its BAT are missing, BUSY when the leaf is in use, CORRUPT when two owners claim the same bytes of it.
 * Failure leaves nothing behind.
 *
 * Any number of threads may use one handle. Those that read do so at once; those that change something take turns
 * inside of the library. What two calls that overlap in time and place leave there is the caller's business.
 */
VHDX_API vhdx_status vhdx_disk_open(const char *path, const vhdx_disk_options *options, vhdx_disk **disk,
                                    vhdx_error *err);

/*
 * Makes everything durable, as vhdx_disk_flush() does, closes the leaf cleanly and frees the handle, also on failure:
 * then what was flushed is safe, and the next program that opens the disk replays the log. Takes NULL. No other thread
 * may use the handle any more. What `discard` has made is removed.
 */
VHDX_API vhdx_status vhdx_disk_close(vhdx_disk *disk, vhdx_error *err);

/* Layers, and facts of one of them, as of the time of opening; 0 is the layer that is read and written, an `overlay`
 * for instance. NULL when there is no such layer. They live as long as the handle. Any number of threads. */
VHDX_API size_t vhdx_disk_layer_count(const vhdx_disk *disk);
VHDX_API const vhdx_info *vhdx_disk_layer(const vhdx_disk *disk, size_t layer);

/* All offsets and lengths are in bytes of the virtual disk; neither needs any alignment; a range that is not on the
 * disk is VHDX_ARG. Changes of whole sectors (logical_sector_size) cost least. */

/* On failure the buffer's content is undefined. */
VHDX_API vhdx_status vhdx_disk_read(vhdx_disk *disk, void *buf, size_t length, uint64_t offset, vhdx_error *err);

/*
 * Writes. What it wrote is read at once, and is durable after the next vhdx_disk_flush(); until then each sector is old
 * or new after a power cut, and the chain opens. On failure each sector of the range is old or new. NO_SPACE: the call
 * may be made again once there is space; POISONED: the handle writes no more, because what reached the disk cannot be
 * known; close it. STATE: the disk was opened for reading.
 */
VHDX_API vhdx_status vhdx_disk_write(vhdx_disk *disk, const void *buf, size_t length, uint64_t offset, vhdx_error *err);
/* Makes the range read as zeros. Blocks that are in it as a whole give their space back, unless `keep_space`. Otherwise
 * as vhdx_disk_write(). */
VHDX_API vhdx_status vhdx_disk_zero(vhdx_disk *disk, uint64_t offset, uint64_t length, bool keep_space,
                                    vhdx_error *err);
/* The content of the range is not needed any more: blocks that are in it as a whole read as zeros and give their space
 * back, everything else stays as it is. Otherwise as vhdx_disk_write(). */
VHDX_API vhdx_status vhdx_disk_trim(vhdx_disk *disk, uint64_t offset, uint64_t length, vhdx_error *err);
/* Everything that was written by calls that had returned before survives a power cut. */
VHDX_API vhdx_status vhdx_disk_flush(vhdx_disk *disk, vhdx_error *err);

/*
 * Tells of the range extent by extent, in order, without gaps; the last one may end before the range does, when
 * `extent` returns false. Extents are as of the time when each is looked at.
 */
typedef bool (*vhdx_extent_fn)(void *context, const vhdx_extent *extent);
VHDX_API vhdx_status vhdx_disk_extents(vhdx_disk *disk, uint64_t offset, uint64_t length, vhdx_extent_fn extent,
                                       void *context, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* A new disk with content: building, converting                                                                    */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef enum vhdx_piece_kind {
    VHDX_PIECE_END = 0,    /* the source is at its end */
    VHDX_PIECE_DATA = 1,   /* `length` bytes at `bytes` */
    VHDX_PIECE_ZERO = 2,   /* `length` zeros */
    VHDX_PIECE_ABSENT = 3, /* not here: a child's parent holds it; in whole sectors. A disk without parent: zeros */
} vhdx_piece_kind;

/* Frozen: a source fills it for each piece. */
typedef struct vhdx_piece {
    vhdx_piece_kind kind;
    uint64_t length;   /* more than 0 but at the end */
    const void *bytes; /* DATA only; valid until the source is called again */
} vhdx_piece;

/*
 * Yields the virtual disk from its first byte on, piece by piece in order and without gaps: the mirror of vhdx_sink_fn.
 * Not VHDX_OK ends the building with it, and nothing is left.
 */
typedef vhdx_status (*vhdx_source_fn)(void *context, vhdx_piece *piece, vhdx_error *err);

typedef struct vhdx_build_options {
    size_t struct_size;
    const vhdx_host *host;
    /* What is made. */
    vhdx_format format;    /* 0 = VHDX */
    uint64_t virtual_size; /* bytes; 0 = as many as the source has */
    bool fixed;
    uint32_t block_size; /* VHDX: as vhdx_create; VHD: 2 MiB. 0 = the source's where it has one, else the default */
    uint32_t logical_sector_size, physical_sector_size; /* of a VHDX; 0 = the source's, else 512 and 4096 */
    bool azure; /* VHD, fixed: what Azure takes, whole MiB and at least 20 of them, up to 4095 GiB */
    const vhdx_guid *data_write_guid; /* NULL = a new one; of a VHD this is its unique id */
    const vhdx_guid *virtual_disk_id; /* NULL = the source's where it has one, else a new one */
    const char *parent;               /* VHDX only: makes a child of this disk, in which ABSENT is left to it */
    /* How. */
    bool overwrite;  /* replace what is at the path, when the new disk is complete and not before */
    bool keep_zeros; /* data that is zeros takes its space all the same */
    bool verify;     /* read the new disk back and compare hashes before it gets its name */
    /* Of the source, for vhdx_convert. */
    vhdx_format source_format;  /* 0 = recognized by its content */
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    /* What the caller hears. */
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_build_options;

/* Grows at its end. */
typedef struct vhdx_build_report {
    size_t struct_size;                /* set by the caller */
    vhdx_format format, source_format; /* source_format: of vhdx_convert only */
    uint64_t virtual_size;
    uint64_t padded; /* of it: zeros behind the source's end, to make it as long as the format wants */
    uint32_t block_size, logical_sector_size;
    uint64_t file_size;    /* in a plan the most that it will be */
    uint64_t bytes_data;   /* that the source has; in a plan with those that may turn out to be zeros */
    uint64_t bytes_shared; /* of them: not copied (reflink) */
    uint64_t bytes_verified;
    uint64_t blocks; /* of a plan: payload blocks with data, at most */
} vhdx_build_report;

/*
 * Writes what `source` yields to a new disk at `path` and makes it durable. Until it is complete it has another name,
 * as with vhdx_create: after a failure, a cancelled call or a power cut no disk is at `path` that was not there before,
 * and the same call may be made again. When the source ends early the rest is zeros, when it has more than
 * `virtual_size` LIMIT. Without a size, sources end at 64 TiB, VHDX with blocks below 8 MiB at fewer (8 TiB for 1 MiB).
 * EXISTS without `overwrite`; BUSY when what would be replaced is in use; ARG for sizes that the format does not allow;
 * NO_SPACE, and nothing is left. A raw `path` may be a block device, which is then written in place. Memory: some 3
 * MiB. `report` may be NULL.
 */
VHDX_API vhdx_status vhdx_build(const char *path, const vhdx_build_options *options, vhdx_source_fn source,
                                void *context, vhdx_build_report *report, vhdx_error *err);

/*
 * The same of the disk that `source` shows: a VHDX or a VHD through its chain (dirty logs are replayed in memory), a
 * raw file or a block device. What it is, its content says, not its name, unless `source_format` does. Its file is read
 * only; extents are shared where the host can (raw, fixed or VHDX to VHDX or raw on one volume). A VHDX from a VHDX
 * keeps the virtual disk id and IsVirtualDisk metadata. Fails as vhdx_chain_open and vhdx_build do; ARG when `path` is
 * a layer of the source, or `parent` is given.
 */
VHDX_API vhdx_status vhdx_convert(const char *source, const char *path, const vhdx_build_options *options,
                                  vhdx_build_report *report, vhdx_error *err);
/* Says what vhdx_convert would make, and refuses what it would refuse; writes nothing and reads no payload. */
VHDX_API vhdx_status vhdx_convert_plan(const char *source, const char *path, const vhdx_build_options *options,
                                       vhdx_build_report *report, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Merge                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef enum vhdx_direction {
    VHDX_DIRECTION_AUTO = 0, /* down; with `delete_merged` the cheaper one, because the names come out the same */
    VHDX_DIRECTION_DOWN = 1, /* the child's data goes into the ancestor */
    /* the child takes what it lacks and becomes a base; the ancestor (a base) is never written */
    VHDX_DIRECTION_UP = 2,
} vhdx_direction;

typedef enum vhdx_zero_detect {
    /* holes of the layers' files, and blocks of theirs that are all zeros, take no space in the merged disk */
    VHDX_ZERO_DETECT_AUTO = 0,
    VHDX_ZERO_DETECT_OFF = 1, /* are moved like any other data */
} vhdx_zero_detect;

/* Machines whose configurations name some disks; see vhdx_machines_find. */
typedef struct vhdx_machines vhdx_machines;

typedef struct vhdx_merge_options {
    size_t struct_size;
    /* Which files. */
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    /* where other children of the layers may be, besides the layers' own directories: directories, with all below them,
     * and JSON reports of 'vhdx orphans'. What is found there counts like a disk beside the layers */
    const char *const *siblings;
    size_t sibling_count;
    const char *into; /* the ancestor that receives; NULL = the child's parent */
    /* How. */
    vhdx_direction direction;
    vhdx_zero_detect zero_detect;
    uint64_t window_bytes; /* payload between two commits, and with `reclaim` the extra space; 0 = 256 MiB */
    bool verify;           /* read what was moved back from the disk, through the target, and compare hashes */
    bool reclaim;          /* give the merged layers' space back while merging; see vhdx_merge */
    bool delete_merged;    /* remove the merged layers after success */
    bool force_siblings;   /* go on although other files become invalid; each is named in a notice */
    /* path of an undo file to be made, see vhdx_undo; NULL = none. Not with `delete_merged` or `reclaim` */
    const char *undo;
    /* What the caller hears. */
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
    /* those that use the layers, of vhdx_machines_find() with the chain's paths, `child` first: the merge warns of them
     * before it begins, and tells afterwards what is to be done for each. NULL: in general words only */
    const vhdx_machines *machines;
    /* Of vhdx_flatten only: the new disk. */
    uint32_t block_size; /* 0 = the base's */
    bool fixed_result;   /* a fixed disk, not a dynamic one */
} vhdx_merge_options;

/* Why a merge goes the way it goes. */
typedef enum vhdx_merge_reason {
    VHDX_MERGE_REASON_NONE = 0,       /* the merge did not come that far, or writes a new disk */
    VHDX_MERGE_REASON_ASKED = 1,      /* the options say so */
    VHDX_MERGE_REASON_CHEAPER = 2,    /* less is written, and the names come out the same */
    VHDX_MERGE_REASON_KEPT = 3,       /* without `delete_merged` the result belongs at the ancestor's path */
    VHDX_MERGE_REASON_DOWN_ONLY = 4,  /* `reclaim` and `verify` go down only */
    VHDX_MERGE_REASON_HAS_PARENT = 5, /* the ancestor has a parent itself */
    VHDX_MERGE_REASON_OTHER_KIND = 6, /* the child would not make the same kind of disk as the ancestor is */
} vhdx_merge_reason;

/* What a merge will do, or did. Grows at its end. */
typedef struct vhdx_merge_report {
    size_t struct_size; /* set by the caller */
    /* What is made of what. */
    char target[VHDX_PATH_ROOM]; /* path of the merged disk; "" when it does not fit */
    uint64_t virtual_size;
    uint32_t layers_merged;
    uint32_t relinked;        /* layers above the child that now name the target */
    vhdx_direction direction; /* the one taken */
    vhdx_merge_reason direction_reason;
    bool already_complete;      /* an earlier run had done the work; only its end was left */
    bool begun_before;          /* an earlier run of this merge was cut off */
    uint64_t bytes_done_before; /* of it: payload that it had moved, durably, and that is not moved again */
    /* The plan. */
    uint64_t bytes_to_copy;      /* payload that is read and written */
    uint64_t bytes_to_zero;      /* payload that is overwritten with zeros */
    uint64_t bytes_to_share;     /* payload that the host lets both files have without copying (reflink) */
    uint64_t blocks_to_allocate; /* payload blocks new in the target */
    uint64_t blocks_to_zero;     /* payload blocks that only change their state to ZERO */
    /* to be copied and zeroed in the other direction; UINT64_MAX = it is impossible, or was not looked at */
    uint64_t bytes_other_way;
    uint64_t bytes_needed; /* free space that the volume must have, at the most while the work is done */
    uint64_t bytes_added;  /* of these: what is still in use at the end, removed layers' space given back */
    uint64_t bytes_free;   /* that the volume has; UINT64_MAX = not known */
    uint64_t flushes;      /* of the target; in a plan about as many as it will be */
    /* What was done; 0 in a plan. */
    uint64_t bytes_copied;    /* that really moved */
    uint64_t bytes_shared;    /* that really was shared */
    uint64_t bytes_reclaimed; /* blocks of the merged layers that were given back */
    uint64_t bytes_verified;  /* read back and found equal */
} vhdx_merge_report;

typedef enum vhdx_merge_state {
    VHDX_MERGE_STATE_NONE = 0,
    VHDX_MERGE_STATE_BEGUN = 1,      /* a merge of this layer, and of some above it, into its parent stopped half way */
    VHDX_MERGE_STATE_BEGUN_INTO = 2, /* a merge into this disk stopped half way: alone it shows a mixture */
    VHDX_MERGE_STATE_DONE = 3,       /* its parent holds all of it; it was kept */
} vhdx_merge_state;

/* What a merge has left in a disk. Grows at its end. */
typedef struct vhdx_merge_trace {
    size_t struct_size; /* set by the caller */
    vhdx_merge_state state;
    uint32_t percent;            /* that were done, durably; UINT32_MAX = not known */
    char child[VHDX_PATH_ROOM];  /* the topmost layer that is, or was, merged; empty: not known */
    char target[VHDX_PATH_ROOM]; /* where to */
    /* of a merge that stopped half way: with which options it goes on */
    bool delete_merged, reclaim;
    bool into_target; /* `into` is to be the target, for it is not the child's parent */
} vhdx_merge_trace;

/*
 * Looks for what a merge has left in the disk at `path`; writes nothing. Fails as vhdx_image_open does; that there is
 * no trace, or that its parent cannot be found, is no failure.
 */
VHDX_API vhdx_status vhdx_merge_look(const char *path, const vhdx_open_options *options, vhdx_merge_trace *trace,
                                     vhdx_error *err);

/*
 * Says what vhdx_merge would do, and refuses what it would refuse; writes nothing.
 */
VHDX_API vhdx_status vhdx_merge_plan(const char *child, const vhdx_merge_options *options, vhdx_merge_report *report,
                                     vhdx_error *err);

/*
 * Merges the layers from `child` down to just above the ancestor `options->into` into that ancestor, in place.
 * At every instant, also right after a power cut, reading the child (and every layer above it) gives the bytes it gave
 * before; a call that failed, was cancelled or cut off is completed by calling again with the same arguments.
 * Afterwards the ancestor has the child's virtual size, virtual disk id, physical sector size and IsVirtualDisk
 * metadata and new FileWrite and DataWrite GUIDs; layers above the child in the same directories name the ancestor as
 * their parent. The layers stay unless `delete_merged`; those strictly between child and ancestor lose their own
 * meaning. Refused before anything changes: a sibling (REFUSED: another file in the layers' directories whose linkage
 * names the ancestor or a layer in between; or a VHD set beside them), no space (NO_SPACE), READ_ONLY, BUSY, and
 * whatever vhdx_chain_open refuses. `reclaim`: after each window that is durable in the ancestor, the merged layers'
 * blocks that are wholly in it become NOT_PRESENT, the lowest layer first, and are punched out of their files; the
 * child goes on reading the same. The layers are then of no use without the ancestor. `verify`: CORRUPT when something
 * reads back otherwise; the child still holds the right bytes (unless `reclaim` has given them back: each window is
 * verified before that). Upwards the result is at the child's path, the layers below are not written and other
 * children of theirs stay valid; with `delete_merged` the result replaces the ancestor under its name, atomically, with
 * the ancestor's owner, mode, ACL and attributes. REFUSED when the ancestor has a parent itself. A child that has no
 * parent any more is complete already. `undo`: what the merge overwrites is durable in that file first. EXISTS when
 * another file is there, or the undo file of another merge; that of the same merge is gone on with. UNDO_MISMATCH: it
 * belongs to this merge, but another program has written to the disks since. `report` may be NULL; it is filled as far
 * as known also on failure.
 */
VHDX_API vhdx_status vhdx_merge(const char *child, const vhdx_merge_options *options, vhdx_merge_report *report,
                                vhdx_error *err);

/*
 * Writes the disk that `child` shows through its chain to the new VHDX `path` and touches no input: as vhdx_convert,
 * with what is to be done in Hyper-V. The new disk is dynamic, unless `fixed_result` says otherwise, and has the
 * child's sizes, virtual disk id and IsVirtualDisk metadata. `verify`: the new disk is read back before it gets its
 * name. On failure the new file is removed. EXISTS when a file that is not empty is there. `into`, `delete_merged` and
 * `force_siblings` must be zero.
 */
VHDX_API vhdx_status vhdx_flatten(const char *child, const char *path, const vhdx_merge_options *options,
                                  vhdx_merge_report *report, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Compact                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------- */

/* A part of the virtual disk that a file system, or something else that is known by name, fills. Grows at its end. */
typedef struct vhdx_volume {
    uint64_t offset, length; /* on the virtual disk; of a logical volume in pieces, those of its first piece */
    const char *file_system; /* "NTFS", "ext2/3/4", ...; "" = not recognized */
    const char *name;        /* of a logical volume; "" = a partition, or the whole disk */
    bool known;              /* what it does not use is known */
    uint64_t free_bytes;     /* of it, when that is known */
    const char *reason;      /* why it is not known; "" */
    const char *advice;      /* what to do about that; "" */
} vhdx_volume;

/* Valid during the call only. */
typedef void (*vhdx_volume_fn)(void *context, const vhdx_volume *volume);

typedef struct vhdx_compact_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    bool zeros_only;       /* do not ask what the guest's file systems use */
    bool punch;            /* also give back the space of zeros inside of blocks that stay: the file becomes sparse */
    bool force;            /* go by file systems although other disks hang on this one; they stay linked to it */
    uint64_t window_bytes; /* payload between two commits; 0 = 64 MiB */
    const char *undo;      /* path of an undo file to be made, see vhdx_undo; NULL = none */
    /* What the caller hears. */
    vhdx_volume_fn volume; /* each volume of the guest, as it is found */
    void *volume_context;
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_compact_options;

/* What a compaction will do, or did. Grows at its end. */
typedef struct vhdx_compact_report {
    size_t struct_size; /* set by the caller */
    uint64_t virtual_size;
    uint64_t file_size_before, file_size_after;
    /* The plan. */
    uint64_t blocks_zero;    /* payload blocks that leave the file because they read as zeros */
    uint64_t blocks_unused;  /* likewise because the guest's file systems do not use them; the rest of them is zeros */
    uint64_t blocks_to_move; /* payload blocks that go to other places in the file */
    uint64_t bytes_to_move;  /* all that does */
    uint64_t free_bytes;     /* of the virtual disk that its file systems do not use */
    bool zeros_only;         /* the disk's children, or `zeros_only`, forbid more */
    /* What was done; 0 in a plan. */
    uint64_t bytes_moved;   /* payload and bitmaps, shared ones included */
    uint64_t bytes_shared;  /* of these, by reflink */
    uint64_t bytes_punched; /* inside of the file; of a plan, those that would be */
} vhdx_compact_report;

/* Says what vhdx_compact would do, and refuses what it would refuse; writes nothing. */
VHDX_API vhdx_status vhdx_compact_plan(const char *path, const vhdx_compact_options *options,
                                       vhdx_compact_report *report, vhdx_error *err);

/*
 * Makes the file of a dynamic or differencing disk as short as it can be. Payload blocks that read as zeros, and those
 * in which the guest's file systems use nothing but zeros, leave it: in a disk without parent they become NOT_PRESENT,
 * in a child ZERO. Then blocks, sector bitmaps, the known regions and the log move from its end into the holes, in the
 * order of the file, and it is cut. Twice is once: a second call changes nothing.
 *
 * At every instant, also right after a power cut, the disk reads the same; where file systems are asked, the same in
 * every sector that they use, and zeros, perhaps, in others. Then, and only then, its DataWriteGuid is a new one,
 * unless `force` keeps it for its children. A call that failed, was cancelled or cut off is gone on with by the same
 * call. File systems are asked only where that is safe: each must be unmounted cleanly and agree with its own checksums
 * and counts. Of all others, of what no file system fills, and of a disk that others hang on, only zeros are given
 * back; a notice says why and what to do. REFUSED, before anything changes: a fixed disk; one whose merge has stopped
 * half way. CORRUPT: it contradicts itself, vhdx_verify tells more. Also whatever vhdx_chain_open refuses. `report` may
 * be NULL; it is filled as far as known also on failure. One thread a disk.
 */
VHDX_API vhdx_status vhdx_compact(const char *path, const vhdx_compact_options *options, vhdx_compact_report *report,
                                  vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Links between layers                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_relink_options {
    size_t struct_size;
    const vhdx_host *host;
    bool force; /* accept a parent with another identity: the child then reads whatever that one holds */
} vhdx_relink_options;

/*
 * Writes the place of `parent` into the parent locator of `child` (MS-VHDX 2.6.2.6), paths and linkage in one log
 * entry, and replays a dirty log of the child on the way. PARENT_MISMATCH unless the parent has the identity that the
 * child names or `force` is set; PARENT_LOOP and UNSUPPORTED (logical sector sizes differ) always; ARG when the child
 * has no parent. After a failure the old link or the new one holds.
 */
VHDX_API vhdx_status vhdx_relink(const char *child, const char *parent, const vhdx_relink_options *options,
                                 vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Comparing two disks                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_diff_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors of both, as in vhdx_open_options */
    size_t parent_count;
    size_t
        below; /* of one disk: the layer that it is compared with, counted from the leaf; 0 = its parent, which is 1 */
    bool data; /* read what the layers cannot tell: no sector in a range is equal then */
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_diff_options;

/* A range of the virtual disks. false asks to cancel. */
typedef bool (*vhdx_range_fn)(void *context, uint64_t virtual_offset, uint64_t length);

/* Grows at its end. */
typedef struct vhdx_diff_report {
    size_t struct_size; /* set by the caller */
    uint64_t range_count;
    uint64_t bytes;      /* in these ranges */
    uint64_t bytes_read; /* payload; 0 without `data` */
    uint64_t virtual_size_a, virtual_size_b;
    uint32_t shared_layers; /* at the bottom of both chains */
} vhdx_diff_report;

/*
 * Tells in which ranges the disks `a` and `b`, each through its chain, read differently: in ascending order, without
 * overlaps, neighbours joined; every byte in which they differ lies in one of them. `b` NULL: `a` is compared with what
 * lies below it, from layer `below` on. Layers at the bottom that both chains have (the same file, or a copy of it that
 * was closed and is unchanged) are not looked at; of the others what they say is compared, and no payload is read
 * unless `data` is set. Behind the end of the smaller disk all is different. Fails as vhdx_chain_open does; ARG: a base
 * alone, or no such layer; CANCELLED. Ranges that were told until a failure are right, and not all. `visit` and
 * `report` may be NULL. Memory does not grow with the disks.
 */
VHDX_API vhdx_status vhdx_diff(const char *a, const char *b, const vhdx_diff_options *options, vhdx_range_fn visit,
                               void *context, vhdx_diff_report *report, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* One disk in place: its facts                                                                                     */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_set_options {
    size_t struct_size;
    const vhdx_host *host;
    /* What changes; nothing else does. */
    bool new_id;                      /* a new random virtual disk id */
    const vhdx_guid *virtual_disk_id; /* this one instead; NULL = none is given */
    uint32_t physical_sector_size;    /* 512 or 4096; 0 = as it is */
    const char *creator;              /* UTF-8, up to 252 UTF-16 units, "" = none; NULL = as it is */
    /* How. */
    bool dry_run;                /* judge, report, and write nothing */
    bool force;                  /* go on although children no longer fit; each is named in a notice */
    const char *const *siblings; /* where children may be besides the disk's own directory, as in vhdx_merge_options */
    size_t sibling_count;
    const char *undo; /* path of an undo file to be made, see vhdx_undo; NULL = none */
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_set_options;

/* Grows at its end. */
typedef struct vhdx_set_report {
    size_t struct_size;        /* set by the caller */
    bool changed;              /* false: the disk had these values already, and was not written to */
    vhdx_guid virtual_disk_id; /* afterwards; all zero in a dry run that would make a new one */
    uint32_t physical_sector_size;
    vhdx_guid data_write_guid, old_data_write_guid; /* of the disk now, and before */
} vhdx_set_report;

/*
 * Changes facts about the disk at `path`. Virtual disk id (MS-VHDX 2.6.2.3) and physical sector size (2.6.2.5) are
 * metadata that a guest sees: the disk gets a new DataWriteGuid with them, in one log entry, so that children, which
 * name it by that id, no longer fit. REFUSED therefore when a disk beside it (or at `siblings`) was made on it or may
 * have been; a child whose own paths lead to another file of the same id is none of those, so that a copy can be told
 * from its original in the original's directory. With `force` children that are left behind can be linked again by
 * vhdx_relink with `force`: the content below them is the same. The creator is text in the first sector of the file
 * (2.2.1) that nothing depends on; it changes without a new DataWriteGuid, and last. Of a differencing disk only its
 * own values change; those of the topmost layer count. ARG for other sizes or text that is no UTF-8 or too long, or
 * when nothing is to be changed. Also refused before anything changes: a disk of a merge that stopped half way,
 * READ_ONLY, BUSY, a log that contradicts the disk, LIMIT. After a failure or a power cut the old values hold or the
 * new ones (of several the creator may be missing). `report` may be NULL.
 */
VHDX_API vhdx_status vhdx_set(const char *path, const vhdx_set_options *options, vhdx_set_report *report,
                              vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* One disk in place: its size                                                                                      */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_resize_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    /* Which size. */
    uint64_t virtual_size; /* bytes, a multiple of the logical sector size */
    bool to_minimum; /* instead: as small as what is on the disk allows, in whole MiB, and never larger than it is */
    bool keep_gpt;   /* leave a GUID partition table as it is */
    /* How. */
    bool dry_run;                /* judge, report, and write nothing */
    const char *const *siblings; /* where children may be besides the disk's own directory, as in vhdx_merge_options */
    size_t sibling_count;
    const char *undo; /* path of an undo file to be made, see vhdx_undo; NULL = none */
    /* What the caller hears. */
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_resize_options;

/* What becomes of a GUID partition table. */
typedef enum vhdx_gpt_change {
    VHDX_GPT_NONE = 0,      /* there is none */
    VHDX_GPT_RIGHT = 1,     /* it is right for the size as it is */
    VHDX_GPT_PUT_RIGHT = 2, /* both copies are, or would be, written anew */
    VHDX_GPT_KEPT = 3,      /* left as it is, as was asked for */
    VHDX_GPT_LEFT = 4,      /* left as it is, because it is damaged or its copies differ; a notice says so */
} vhdx_gpt_change;

/* Grows at its end. */
typedef struct vhdx_resize_report {
    size_t struct_size; /* set by the caller */
    bool changed;       /* false: nothing was to be done, and the disk was not written to */
    uint64_t virtual_size_before, virtual_size;
    uint64_t file_size_before, file_size_after; /* in a dry run after is what it would be */
    vhdx_gpt_change gpt;
} vhdx_resize_report;

/*
 * Makes the virtual disk of `path` larger or smaller, in place. What lies below both sizes reads as before; what is
 * gained reads as zeros, also where the layers below a child hold something there. A fixed disk stays one: it gets
 * blocks, or gives them back. The BAT moves where it has no room (MS-VHDX 2.5). Blocks behind the new end are given up,
 * and the file ends where its last block does.
 *
 * A GUID partition table is put right for the new size unless `keep_gpt`: both headers, the second copy at the new end,
 * and the record that protects it. These sectors are the only content that is written. A table whose copies differ or
 * are damaged is left as it is, with a notice. Where the size stays, only such a table is put right (as after a run
 * that was cut off), and if it is right nothing is done.
 *
 * Refused before anything changes, REFUSED: a partition, or the file system of a disk without partitions, ends beyond
 * the new end, or what ends where cannot be told (a damaged table, a dynamic disk of Windows; content that nobody here
 * knows unless all behind the new end reads as zeros); a disk was made on this one, or may have been; a merge of it
 * stopped half way. ARG for a size that the format does not allow. NO_SPACE, LIMIT, READ_ONLY, BUSY, and whatever
 * vhdx_chain_open refuses. The disk gets new FileWrite and DataWrite GUIDs.
 *
 * At every instant, also after a power cut, the disk opens with its old size or its new one and one copy of its
 * partition table is valid; the same call goes on. A failed or cancelled call leaves such a disk too. `report` may be
 * NULL; it is filled as far as known also on failure. Memory does not grow with the disk but by a bit for each MiB of
 * the file.
 */
VHDX_API vhdx_status vhdx_resize(const char *path, const vhdx_resize_options *options, vhdx_resize_report *report,
                                 vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Undo                                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_undo_options {
    size_t struct_size;
    const vhdx_host *host;
    /* accept disks that others have written to since, as long as their content has kept its identity, and a damaged
     * undo file */
    bool force;
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_undo_options;

/* Grows at its end. */
typedef struct vhdx_undo_report {
    size_t struct_size;      /* set by the caller */
    uint32_t files;          /* that are as they were */
    uint64_t bytes_restored; /* that were put back */
    bool ended;              /* the work that the undo file protects had come to its end */
    /* the last bytes of the undo file are no whole records: it was being written when it was cut off, or is damaged */
    bool cut_off;
} vhdx_undo_report;

/*
 * Gives back, byte for byte and in length, every file that the merge or repair whose `undo` file is `path` has written
 * to, finished or not. Files are looked for where they lay as seen from the undo file, then where they were, then
 * beside it. Before anything is written: UNDO_MISMATCH when a file is not the disk that the undo file knows, or anybody
 * else has written to it since; BUSY when it is in use; NOT_FOUND; CORRUPT when the undo file has lost records that it
 * once had. Afterwards a failure, a cancelled or a cut-off call leaves disks that must not be used until the same call
 * has been made again and succeeded. To do it twice is to do it once. The undo file itself stays as it is. `report` may
 * be NULL.
 */
VHDX_API vhdx_status vhdx_undo(const char *path, const vhdx_undo_options *options, vhdx_undo_report *report,
                               vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Verify and repair                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef enum vhdx_severity {
    VHDX_SEVERITY_INFO = 1,    /* worth knowing; real writers do such things, and nothing is wrong */
    VHDX_SEVERITY_WARNING = 2, /* a rule is broken, but nothing is lost and the disk is usable */
    VHDX_SEVERITY_ERROR = 3,   /* the disk is refused, content is lost or in danger */
} vhdx_severity;

typedef enum vhdx_repair_class {
    VHDX_REPAIR_NONE = 0,
    VHDX_REPAIR_LOSSLESS = 1, /* what is right can be derived, or is in another copy */
    VHDX_REPAIR_SALVAGE = 2,  /* a repair gives something up, and names it */
} vhdx_repair_class;

/*
 * One thing that was found. All strings belong to the report and live as long as it. `id` (docs/findings.md has a
 * paragraph for each) and `number` name the kind of finding and never change their meaning. Where the same is true of
 * neighbouring entries they are one finding: `index` is the first, `count` says how many. Grows at its end.
 */
typedef struct vhdx_finding {
    const char *id; /* "VHDX-BAT-OVERLAP" */
    uint32_t number;
    vhdx_severity severity;
    vhdx_repair_class repair;
    const char *spec;      /* section of MS-VHDX */
    const char *structure; /* "header", "BAT", ...; "file" for the file as a whole */
    uint64_t offset;       /* in the file, or VHDX_NOWHERE */
    uint64_t length;       /* of what is concerned; 0 = not known */
    uint64_t index;        /* of the entry, payload block or descriptor, or VHDX_NOWHERE */
    uint64_t count;        /* how many neighbours are gathered in this finding, at least 1 */
    bool has_found, has_expected;
    uint64_t found, expected; /* values, when there are such */
    uint64_t lost_offset;     /* the range of the virtual disk that is lost or in doubt, when lost_length is not 0 */
    uint64_t lost_length;
    const char *message;
    bool corrected; /* by a repair */
    vhdx_advice advice;
    const char *advice_arguments[2]; /* NULL = none */
    const char *advice_text;         /* what to do about it; "" = nothing */
} vhdx_finding;

typedef enum vhdx_verdict {
    VHDX_VERDICT_CLEAN = 0,     /* nothing worse than warnings */
    VHDX_VERDICT_CORRECTED = 1, /* errors or warnings were found and all that repair undertook was corrected */
    VHDX_VERDICT_ERRORS = 2,    /* errors are left */
} vhdx_verdict;

/* A range of the virtual disk that is lost or in doubt, and why. */
typedef struct vhdx_lost_range {
    uint64_t offset, length;
    const char *reason;
    bool doubtful; /* something is there, but nothing proves that it is right; else it is lost */
} vhdx_lost_range;

/* What is known of one file of a report. Findings and lost ranges: the worst finding first, ranges by offset. Grows at
 * its end. */
typedef struct vhdx_file_report {
    const char *path;
    vhdx_verdict verdict;
    size_t finding_count;
    uint64_t errors, warnings, infos; /* all that were found, also those that the report has no room for */
    uint64_t left_out;                /* findings that it had no room for: at most 1000 of each kind are kept */
    size_t lost_count;
    uint64_t lost_bytes;
    const char *undo; /* of a repair: path of the undo file, NULL = none */
    /* of a file that was cut: how far its blocks reach behind its end; 0 = it was not, or single entries lead astray */
    uint64_t bytes_missing;
} vhdx_file_report;

typedef struct vhdx_report vhdx_report;

/* Takes NULL. */
VHDX_API void vhdx_report_free(vhdx_report *report);
/* File 0 is the one asked for; with `chain` its ancestors follow, the base last. */
VHDX_API size_t vhdx_report_file_count(const vhdx_report *report);
/* NULL when there is no such file, finding or range. They live as long as the report. */
VHDX_API const vhdx_file_report *vhdx_report_file(const vhdx_report *report, size_t file);
VHDX_API const vhdx_finding *vhdx_report_finding(const vhdx_report *report, size_t file, size_t finding);
VHDX_API const vhdx_lost_range *vhdx_report_lost(const vhdx_report *report, size_t file, size_t range);

typedef struct vhdx_verify_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    bool chain;           /* check the ancestors too, and the linkage from each layer to its parent */
    bool data;            /* read every allocated payload block */
    const char *manifest; /* with `data`: a file of block hashes; compared with when it is there, made when it is not */
    /* do not plan repairs: `repair` of a finding is then what its kind usually is, and not what a repair of this disk
       would achieve */
    bool quick;
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice;
    void *notice_context;
} vhdx_verify_options;

/*
 * Checks every structure of the disk at `path` and reports all that is wrong with it: both copies of everything, log
 * entries, metadata, BAT, bitmaps, and which structure owns each MiB of the file. Damage of one structure hides no
 * other. A dirty log is replayed in memory; the file is never written. OK as soon as there is a report, whatever it
 * says; *report is for vhdx_report_free(). Else the file could not be checked at all: NOT_FOUND, BUSY, NOT_VHDX
 * (neither the signature nor anything else of a VHDX is there), IO, NOMEM, CANCELLED. Where something can be repaired,
 * repairs are planned in memory and audited, and the class of each finding is what they would achieve; `quick` leaves
 * that out. Memory does not grow with the disk but by some bits for each MiB of the file, and by what a plan would
 * write.
 */
VHDX_API vhdx_status vhdx_verify(const char *path, const vhdx_verify_options *options, vhdx_report **report,
                                 vhdx_error *err);

/* What a repair writes, or would. `bytes` has the new ones, NULL when the file's size becomes `offset`. Valid during
 * the call only. */
typedef struct vhdx_repair_write {
    const char *path;
    uint64_t offset, length;
    const void *bytes;
    const char *id;     /* of the finding that it corrects */
    bool salvage;       /* it gives something up */
    const char *gives;  /* what it gives back */
    const char *costs;  /* what it gives up, NULL = nothing */
    vhdx_advice advice; /* what to do about what it gives up: RELINK_CHILDREN, or NONE */
} vhdx_repair_write;

typedef void (*vhdx_repair_write_fn)(void *context, const vhdx_repair_write *write);

typedef struct vhdx_repair_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *parents; /* where to look for ancestors, as in vhdx_open_options */
    size_t parent_count;
    bool dry_run;     /* plan and show, write nothing */
    bool salvage;     /* also repairs that give up what is lost already; each lost range is in the report */
    bool trim;        /* cut off unallocated space at the end of the file */
    const char *undo; /* path of the undo file; NULL = the disk's path with ".vhdx-undo" behind it */
    bool no_undo;     /* make none */
    /* a ddrescue map of the file at `path`: what it does not call good is damaged, whatever the bytes are */
    const char *bad_ranges;
    /* with `salvage`: a ddrescue map of the virtual disk to be written when something is lost; NULL = none */
    const char *map;
    vhdx_repair_write_fn write; /* sees each write of the plan before the first one is done */
    void *write_context;
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice; /* NEXT: a child beside the disk that will refuse it, because content is given up */
    void *notice_context;
    /* values to take instead of what the disk says, where it contradicts itself and more than one would do; 0 = none */
    uint64_t assume_virtual_size;
    uint32_t assume_block_size, assume_logical_sector;
} vhdx_repair_options;

/*
 * Corrects what vhdx_verify finds: plans all writes on a copy of the disk in memory, shows them, saves what they
 * overwrite to an undo file (see vhdx_undo), writes them in an order that a power cut cannot hurt, and verifies again.
 * What is then gone is `corrected` in the report; what is left is there too. Never writes payload, and never gives
 * up anything unless `salvage` is set; the DataWriteGuid stays. OK as soon as there is a report, also when problems are
 * left or nothing was to be done; *report is for vhdx_report_free(). EXISTS: another file is where the undo file is
 * to be made. UNDO_MISMATCH: there is an undo file of this disk, but another program has written to the disk since.
 * After a failure, or a cut, the old disk, the new one, or one that the same call completes is there, and the undo file
 * (if there is one) leads back.
 */
VHDX_API vhdx_status vhdx_repair(const char *path, const vhdx_repair_options *options, vhdx_report **report,
                                 vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Salvage                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------- */

/* How far a range of a salvaged disk is to be trusted. */
typedef enum vhdx_salvage_kind {
    VHDX_SALVAGE_GOOD = 1,     /* as the disk's own tables say */
    VHDX_SALVAGE_DOUBTFUL = 2, /* put together by evidence, or claimed by two */
    VHDX_SALVAGE_LOST = 3,     /* unreadable, cut off, or nothing says where it is: zeros are there */
    VHDX_SALVAGE_MISSING = 4,  /* held by a parent that was not found: zeros are there */
    VHDX_SALVAGE_PIECE = 5,    /* bytes of the file without a place on the disk, saved in a file of their own */
} vhdx_salvage_kind;

typedef struct vhdx_salvage_range {
    vhdx_salvage_kind kind;
    uint64_t offset; /* on the virtual disk; of a PIECE: in the file of pieces */
    uint64_t length;
    uint64_t file_offset; /* of a PIECE: where it stood in the disk's file; else VHDX_NOWHERE */
    const char *reason;   /* static; "" when good */
} vhdx_salvage_range;

/* Called for each range that is not good, in order; pieces at the end. The struct is valid during the call only. */
typedef void (*vhdx_salvage_range_fn)(void *context, const vhdx_salvage_range *range);

typedef struct vhdx_salvage_options {
    size_t struct_size;
    const vhdx_host *host;
    /* where to look for ancestors, as in vhdx_open_options; a file is taken as the parent also without proof when
     * nothing else is found */
    const char *const *parents;
    size_t parent_count;
    /* a map of GNU ddrescue for the file `child`: what is not '+' there is no byte of the disk; NULL = none */
    const char *bad_ranges;
    const char *map; /* where to write the map of the result; NULL = the raw file's name with ".map" behind it */
    vhdx_salvage_range_fn range;
    void *range_context;
    vhdx_progress_fn progress;
    void *progress_context;
    vhdx_notice_fn notice; /* WARNING: what was guessed, and by which evidence; DETAIL: what was proven */
    void *notice_context;
    /* values to take instead of what `child` says, as in vhdx_repair_options; 0 = none */
    uint64_t assume_virtual_size;
    uint32_t assume_block_size, assume_logical_sector;
} vhdx_salvage_options;

/* Grows at its end. */
typedef struct vhdx_salvage_report {
    size_t struct_size;    /* set by the caller */
    uint64_t virtual_size; /* 0: nothing tells it; then there are only pieces, and no raw file was made */
    uint64_t bytes_good, bytes_doubtful, bytes_lost, bytes_missing; /* these add up to the size */
    uint64_t bytes_pieces;
    uint32_t layers; /* that were opened */
    bool parent_missing;
    char map[VHDX_PATH_ROOM];
    char pieces[VHDX_PATH_ROOM]; /* the file of pieces; "" when there are none */
} vhdx_salvage_report;

/*
 * Writes what can still be read of the virtual disk that `child` shows to the raw file (or block device) `raw`, and
 * beside it a map that GNU ddrescue and its viewers read: '+' good, '*' doubtful, '-' lost, '?' held by a parent that
 * is not there. Damaged headers, tables, metadata and BAT are rebuilt in memory from twins, the log, the shape of what
 * is left and what the guest wrote; sectors that cannot be read become holes. No layer is written to. Bytes whose place
 * is not known go to a file with ".pieces" behind the raw file's name; EXISTS when there is one with something in it,
 * and no map of an earlier run that says that it is ours. When nothing tells the disk's size, nor where any block
 * belongs, only that file is written: all that is not zeros and no structure's, in the order of the file, with a map of
 * its pieces; `raw` is left as it is. OK also when much is lost: the report says how much. NOT_VHDX when nothing of a
 * disk is recognized, unless the file's name says that it was one (.vhdx, .avhdx) and it does not begin as something
 * else; CORRUPT when its sizes cannot be told and there are no pieces either; ARG to write onto a layer, EXISTS onto
 * another disk. On failure the files made here are removed. `report` may be NULL.
 */
VHDX_API vhdx_status vhdx_salvage(const char *child, const char *raw, const vhdx_salvage_options *options,
                                  vhdx_salvage_report *report, vhdx_error *err);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Configurations of virtual machines                                                                               */
/* ---------------------------------------------------------------------------------------------------------------- */

typedef struct vhdx_config vhdx_config;

typedef enum vhdx_config_format {
    /* Server 2016 and later: a machine, a checkpoint, or the host's list of machines (data.vmcx) */
    VHDX_CONFIG_VMCX = 1,
    VHDX_CONFIG_VMRS = 2, /* the same container with a machine's runtime or saved state */
    VHDX_CONFIG_XML = 3,  /* Server 2012 R2 and before: a machine, a checkpoint, or the record of an export */
    VHDX_CONFIG_VHDS = 4, /* a VHD set; its format is not published, so never `complete` */
} vhdx_config_format;

typedef enum vhdx_controller {
    VHDX_CONTROLLER_NONE = 0, /* named without one (by a VHD set) */
    VHDX_CONTROLLER_IDE = 1,
    VHDX_CONTROLLER_SCSI = 2,
    VHDX_CONTROLLER_FLOPPY = 3,
    VHDX_CONTROLLER_OTHER = 4, /* of a kind that the library does not know */
} vhdx_controller;

/* A medium that is attached. Empty drives are not listed. */
typedef struct vhdx_drive { /* frozen: arrays of them are handed out */
    const char *path;       /* as in the file: a Windows path of the host that the configuration is from */
    const char *type; /* as in the file: "VHD" (any virtual hard disk), "ISO", "VFD", others; "" when it is not there */
    vhdx_controller controller;
    uint32_t controller_number; /* as Hyper-V's commands count: SCSI controllers in the order of the list of devices */
    uint32_t location;          /* on the controller */
    const char *instance;       /* the controller's id as in the file; "" when there is none */
    bool damaged;               /* its checksum does not match: read with care, but the disk is needed */
} vhdx_drive;

typedef enum vhdx_saved_state {
    VHDX_SAVED_STATE_UNKNOWN = 0, /* nothing was found that tells, or it could not be read */
    VHDX_SAVED_STATE_NONE = 1,
    VHDX_SAVED_STATE_PRESENT = 2, /* a guest is frozen and expects its disks as they are */
} vhdx_saved_state;

typedef struct vhdx_texts { /* frozen: part of other structs */
    const char *const *items;
    size_t count;
} vhdx_texts;

/* What a configuration says. Texts are UTF-8 as in the file, NULL where it does not have them. Grows at its end. */
typedef struct vhdx_machine_info {
    const char *path;
    vhdx_config_format format;
    const char *name;    /* of the machine or checkpoint */
    const char *id_text; /* as in the file */
    bool has_id;
    vhdx_guid id; /* of the machine or, in a checkpoint, of the checkpoint */
    bool has_machine_id;
    vhdx_guid machine_id;   /* of the machine, in a checkpoint too */
    uint32_t version;       /* 0x0900 = configuration version 9.0; 0 = not in the file */
    uint32_t generation;    /* 1 or 2; 0 = not in the file */
    uint64_t creation_time; /* FILETIME, 100 ns since 1601; 0 = not in the file */
    bool checkpoint;        /* of a checkpoint: the file says so, or is in a directory "Snapshots" */
    bool has_checkpoint_count;
    uint64_t checkpoint_count; /* that the machine has */
    bool merge_pending;        /* Hyper-V itself has a merge of this machine's disks to do */
    bool replicated;           /* has settings of Hyper-V Replica */
    bool clustered;            /* another node may own it */
    vhdx_saved_state saved_state;
    /* as in the file; and the runtime state beside it, when that has a saved state, as a path of this host */
    vhdx_texts saved_state_files;
    const char *guest_state;                               /* the .vmgs file (firmware, virtual TPM) */
    const char *data_root, *checkpoint_root, *paging_root; /* directories, when they are not the defaults */
    size_t drive_count;                                    /* see vhdx_config_drive */
    vhdx_texts machines; /* data.vmcx: paths of the configurations that are registered on that host */
    vhdx_texts related;  /* "KEY = ID": other ids in the properties, of parents of a checkpoint for instance */
    vhdx_texts hints;    /* remains of paths that were once used; prove nothing */
    bool log_replayed;   /* an unfinished transaction was completed in memory */
    /* all was read and every checksum is right; if false, disks may be named that are not listed */
    bool complete;
    vhdx_texts reasons;  /* why it is not complete, one sentence each */
    vhdx_texts findings; /* what else is worth to know */
} vhdx_machine_info;

typedef struct vhdx_config_options {
    size_t struct_size;
    const vhdx_host *host;
    bool alone; /* look at this file only, not at the runtime state (.vmrs) beside it */
} vhdx_config_options;

/*
 * Reads the configuration at `path`, whichever of the formats it has; the file is closed again and never written. A
 * pending replay log inside it is applied in memory. NOT_CONFIG: it is none. Other failures: it is one and cannot be
 * read, so the disks that it names are not known. Failure leaves nothing behind.
 */
VHDX_API vhdx_status vhdx_config_open(const char *path, const vhdx_config_options *options, vhdx_config **config,
                                      vhdx_error *err);
VHDX_API void vhdx_config_free(vhdx_config *config);
/* What it says; belongs to the handle, with all that hangs on it. Any number of threads. */
VHDX_API const vhdx_machine_info *vhdx_config_info(const vhdx_config *config);
/* One of its disks, NULL when there is no such one. Any number of threads. */
VHDX_API const vhdx_drive *vhdx_config_drive(const vhdx_config *config, size_t index);

/* A drive in some configuration that is one of the disks asked for, or a configuration that might name them. */
typedef struct vhdx_config_mention {
    size_t disk; /* number of the disk among those asked for; their count when no drive is told of */
    /* NULL: it is a configuration and cannot be read, or (NOT_CONFIG) a place that was named has none; see `error` */
    const vhdx_machine_info *info;
    /* NULL: the configuration was read in part only, and may have more drives than it shows */
    const vhdx_drive *drive;
    bool name_only; /* nothing but the file's name is equal: perhaps another disk */
    const vhdx_error *error;
} vhdx_config_mention;

/* Everything in `mention` lives during the call only. false: no more. */
typedef bool (*vhdx_mention_fn)(void *context, const vhdx_config_mention *mention);

typedef struct vhdx_config_find_options {
    size_t struct_size;
    const vhdx_host *host;
    const char *const *configs; /* configurations, or directories that hold some */
    size_t config_count;
} vhdx_config_find_options;

/*
 * Whose disks are these? Reads the configurations that are named in the options, those beside the disks, and those in
 * directories "Virtual Machines" and "Snapshots" there or one level up, and calls `visit` for each drive that is one of
 * the disks: paths are compared from their ends, because drives and mount points differ between machines. Writes
 * nothing. Fails only when a path in `configs` is not there, or memory runs out; that nothing is found proves nothing.
 */
VHDX_API vhdx_status vhdx_config_find(const char *const *disks, size_t disk_count,
                                      const vhdx_config_find_options *options, vhdx_mention_fn visit, void *context,
                                      vhdx_error *err);

/* A machine or a checkpoint, and one of its drives, which is one of the disks asked for. Grows at its end. */
typedef struct vhdx_machine {
    size_t disk;        /* number of the disk among those asked for */
    bool name_only;     /* nothing but the file's name is equal: perhaps another disk */
    bool checkpoint;    /* the configuration is a checkpoint's */
    const char *name;   /* of the machine or checkpoint; "" when it has none */
    const char *config; /* path of the configuration */
    bool has_id;
    vhdx_guid id; /* of the machine, in a checkpoint too */
    bool saved_state, replicated, merge_pending, clustered;
    vhdx_drive drive; /* as the configuration has it; `path` is the disk as that host knows it */
} vhdx_machine;

/*
 * Finds the machines that use some disks, as vhdx_config_find() does, and keeps them: of copies of one configuration
 * the first. Of configurations that cannot be read, or that are missing where `options` names a place,
 * vhdx_machines_warn() tells. `options->host` must live as long as the handle.
 */
VHDX_API vhdx_status vhdx_machines_find(const char *const *disks, size_t disk_count,
                                        const vhdx_config_find_options *options, vhdx_machines **machines,
                                        vhdx_error *err);
VHDX_API void vhdx_machines_free(vhdx_machines *machines);
VHDX_API size_t vhdx_machines_count(const vhdx_machines *machines);
/* NULL when there is none of that number. Belongs to the handle. */
VHDX_API const vhdx_machine *vhdx_machines_item(const vhdx_machines *machines, size_t number);

/* What happens to the disks, for the words below. */
typedef struct vhdx_machine_change {
    size_t struct_size;
    size_t touched;     /* disks, from number 0 on, that read otherwise afterwards or lose their meaning */
    bool state_unfit;   /* a saved state does not fit the disk afterwards */
    const char *target; /* where the content of disk 0 is afterwards; NULL: where it was */
    bool new_file;      /* `target` was made, and no machine has access to it yet */
} vhdx_machine_change;

/* Tells what to know before anything is changed: notices of kind WARNING, and a DETAIL for each machine. A merge that
 * was given the machines does this itself. */
VHDX_API void vhdx_machines_warn(const vhdx_machines *machines, const vhdx_machine_change *change,
                                 vhdx_notice_fn notice, void *context);
/* Tells what is to be done afterwards: notices of kind NEXT, with lines for PowerShell on the Hyper-V host. A merge
 * that was given the machines does this itself. */
VHDX_API void vhdx_machines_next(const vhdx_machines *machines, const vhdx_machine_change *change,
                                 vhdx_notice_fn notice, void *context);

/* Room for the longest text of vhdx_machine_sid, with its NUL. */
#define VHDX_SID_ROOM 64

/* The SID of the account that the machine with that id runs under ("NT VIRTUAL MACHINE\ID"): "S-1-5-83-1-...". */
VHDX_API void vhdx_machine_sid(const vhdx_guid *machine_id, char text[VHDX_SID_ROOM]);

/* ---------------------------------------------------------------------------------------------------------------- */
/* What all these files are                                                                                         */
/* ---------------------------------------------------------------------------------------------------------------- */

/* What a search found: files, configurations, chains, families, advice. Nothing in it changes any more. */
typedef struct vhdx_orphans vhdx_orphans;

/* Says "none" where the number of a record is expected. */
#define VHDX_NONE SIZE_MAX

/* Of one disk of a search: its kind, its role in the chain, its status, and flags. */
typedef enum vhdx_disk_kind {
    VHDX_DISK_KIND_UNKNOWN = 0, /* named like a disk and none, or too damaged to tell */
    VHDX_DISK_KIND_FIXED = 1,
    VHDX_DISK_KIND_DYNAMIC = 2,
    VHDX_DISK_KIND_DIFFERENCING = 3,
    VHDX_DISK_KIND_VHD = 4, /* the older format, fixed or dynamic */
    /* the older format; its `names` are those of the parent, by the parent's unique id */
    VHDX_DISK_KIND_VHD_DIFFERENCING = 5,
} vhdx_disk_kind;

typedef enum vhdx_disk_role {
    VHDX_DISK_ROLE_BASE = 1,         /* has no parent */
    VHDX_DISK_ROLE_INTERMEDIATE = 2, /* has a parent and children */
    VHDX_DISK_ROLE_LEAF = 3,         /* has a parent and no children */
} vhdx_disk_role;

/* The one thing that matters most about a disk. Where several are true the flags and the findings have the others. */
typedef enum vhdx_disk_status {
    VHDX_DISK_STATUS_IN_USE_BY_VM = 1, /* a machine's configuration names it, or a disk that needs it */
    /* a machine's configuration names it although other disks need it unchanged */
    VHDX_DISK_STATUS_ACTIVE_NOT_LEAF = 2,
    VHDX_DISK_STATUS_CHECKPOINT = 3,       /* a checkpoint's configuration names it, or a disk that needs it */
    VHDX_DISK_STATUS_VHD_SET = 4,          /* belongs to a VHD set */
    VHDX_DISK_STATUS_ORPHAN = 5,           /* a differencing disk that nothing names, or what serves only such disks */
    VHDX_DISK_STATUS_STANDALONE = 6,       /* complete by itself, and nothing names it */
    VHDX_DISK_STATUS_PARENT_MISSING = 7,   /* no file with the parent's identity was found */
    VHDX_DISK_STATUS_PARENT_MOVED = 8,     /* the parent was found, but not where the child looks for it */
    VHDX_DISK_STATUS_LINKAGE_MISMATCH = 9, /* another disk is where the parent should be */
    VHDX_DISK_STATUS_PARENT_MODIFIED = 10, /* the same disk is where the parent should be, written to since */
    VHDX_DISK_STATUS_DUPLICATE = 11,       /* another file has the same identity */
    VHDX_DISK_STATUS_CYCLE = 12,           /* the disk is its own ancestor */
    VHDX_DISK_STATUS_UNREADABLE = 13,      /* damaged, not readable, or named like a disk and none */
    VHDX_DISK_STATUS_LOCKED = 14,          /* another program has it in use */
} vhdx_disk_status;

/* What else is true; any number of these. */
typedef enum vhdx_disk_flags {
    VHDX_DISK_FLAG_DIRTY_LOG = 1 << 0, /* not closed cleanly; was replayed in memory */
    /* one of its first blocks is beyond the end of the file; vhdx_verify() looks at all */
    VHDX_DISK_FLAG_TRUNCATED = 1 << 1,
    VHDX_DISK_FLAG_SIZE_DIFFERS = 1 << 2,      /* another virtual size than the parent: legal */
    VHDX_DISK_FLAG_SECTOR_DIFFERS = 1 << 3,    /* another logical sector size than the parent: not legal */
    VHDX_DISK_FLAG_SAVED_STATE = 1 << 4,       /* a frozen guest expects it as it is */
    VHDX_DISK_FLAG_MERGE_PENDING = 1 << 5,     /* Hyper-V itself has a merge to do */
    VHDX_DISK_FLAG_REPLICATED = 1 << 6,        /* Hyper-V Replica */
    VHDX_DISK_FLAG_TRACKED = 1 << 7,           /* change tracking files (.rct, .mrt) are beside it */
    VHDX_DISK_FLAG_CLUSTERED = 1 << 8,         /* another node may run the machine */
    VHDX_DISK_FLAG_SET_MEMBER = 1 << 9,        /* belongs to a VHD set */
    VHDX_DISK_FLAG_QUARANTINED = 1 << 10,      /* is in a directory "vhdx-quarantine": it was put aside */
    VHDX_DISK_FLAG_OTHER_USE = 1 << 11,        /* named or placed like disks of WSL, containers, profiles, backups */
    VHDX_DISK_FLAG_RECOVERY = 1 << 12,         /* named like a leftover of a backup ("-AutoRecovery") */
    VHDX_DISK_FLAG_MERGE_BEGUN = 1 << 13,      /* traces of a merge that did not come to its end */
    VHDX_DISK_FLAG_IN_USE = 1 << 14,           /* another program has it in use right now (a lock) */
    VHDX_DISK_FLAG_NAMED_ALIKE = 1 << 15,      /* a configuration names a disk of this name in another folder */
    VHDX_DISK_FLAG_BROKEN_BELOW = 1 << 16,     /* a layer further down has a problem */
    VHDX_DISK_FLAG_CHECKPOINT_NAMED = 1 << 17, /* a checkpoint needs it, whatever the status */
    VHDX_DISK_FLAG_ACCESS_MISSING = 1 << 18,   /* the account of a machine that needs it may not open it */
    /* nothing uses it, and it was given to machines of which no configuration was found */
    VHDX_DISK_FLAG_FOREIGN = 1 << 19,
} vhdx_disk_flags;

/* Texts of the command's JSON: "in-use-by-vm", "leaf", "differencing", "dirty-log". Static; "unknown" for none of
 * them. */
VHDX_API const char *vhdx_disk_status_name(vhdx_disk_status status);
VHDX_API const char *vhdx_disk_role_name(vhdx_disk_role role);
VHDX_API const char *vhdx_disk_kind_name(vhdx_disk_kind kind);
/* Of one flag. NULL when it is none. */
VHDX_API const char *vhdx_disk_flag_name(uint32_t flag);

/* What a search has to say of a file or configuration. ERROR means that something is orphaned, broken or unreadable;
 * WARNING is worth a look, and no file is wrong. */
typedef struct vhdx_remark { /* frozen: arrays of them are handed out */
    const char *id;          /* stable, for example "ORPHANS-PARENT-MISSING"; static */
    vhdx_severity severity;
    const char *message;
    vhdx_advice advice;
    const char *advice_text; /* "" = none; not in `message` */
} vhdx_remark;

typedef enum vhdx_step_kind {
    VHDX_STEP_NOTE = 1,       /* to be read */
    VHDX_STEP_LOOK = 2,       /* a command that only reads */
    VHDX_STEP_RELINK = 3,     /* a command that points a child at its parent's file */
    VHDX_STEP_COPY = 4,       /* a command that writes a new disk and leaves all others as they are */
    VHDX_STEP_MERGE = 5,      /* a command that merges in place */
    VHDX_STEP_QUARANTINE = 6, /* commands that move files aside */
    VHDX_STEP_DELETE = 7,     /* a command that removes a file; only where everything speaks for it */
    VHDX_STEP_HYPERV = 8,     /* for PowerShell on the Hyper-V host */
} vhdx_step_kind;

/* One thing to be done, in its turn. `text` is for the host's shell, for PowerShell, or prose. Frozen: arrays of them
 * are handed out. */
typedef struct vhdx_found_step {
    vhdx_step_kind kind;
    const char *text;
    size_t file; /* that it is about, or VHDX_NONE */
} vhdx_found_step;

/* A configuration that names a disk. Frozen: arrays of them are handed out. */
typedef struct vhdx_found_reference {
    size_t config; /* number of the configuration */
    size_t disk;   /* number of the medium in it */
} vhdx_found_reference;

typedef enum vhdx_comparison {
    VHDX_COMPARISON_NONE = 0,
    VHDX_COMPARISON_EQUAL = 1,   /* redundant: all that it holds is below it already. Of a duplicate: the same bytes */
    VHDX_COMPARISON_DIFFERS = 2, /* in `differing_bytes` of what it holds */
    VHDX_COMPARISON_FAILED = 3,  /* could not be compared; a finding says why */
} vhdx_comparison;

/* Which virtual machines may open a file, by its security descriptor (NTFS). */
typedef enum vhdx_access {
    VHDX_ACCESS_UNKNOWN = 0, /* there is none, or it could not be read */
    VHDX_ACCESS_ALL = 1,     /* all of them */
    VHDX_ACCESS_SOME = 2,    /* those in `accounts` */
    VHDX_ACCESS_NONE = 3,
} vhdx_access;

/* One disk (or what is named like one). Strings and arrays belong to the search. Grows at its end. */
typedef struct vhdx_found_file {
    /* The file. */
    const char *path;
    const char *absolute;           /* the whole path */
    const char *const *other_names; /* further paths that lead to this very file (hard and symbolic links) */
    size_t other_name_count;
    uint64_t file_size;
    uint64_t allocated; /* bytes that it takes on its volume; `file_size` where that is not known */
    int64_t modified;   /* seconds since 1970; 0 = not known */
    unsigned source;    /* 0 = found by this search; else the number of the report that tells of it, from 1 */
    /* What it is. */
    vhdx_disk_kind kind;
    vhdx_disk_role role;
    vhdx_disk_status status;
    uint32_t flags;        /* vhdx_disk_flags */
    bool is_vhdx;          /* its first bytes say so */
    bool has_identity;     /* a valid header gave data_write_guid */
    bool readable;         /* header and metadata: kind, sizes and names can be relied on */
    const char *trouble;   /* why not, one sentence; else NULL */
    uint64_t virtual_size; /* this and the other sizes: 0 where it could not be read */
    uint32_t block_size, logical_sector_size, physical_sector_size;
    vhdx_guid data_write_guid, file_write_guid, virtual_disk_id; /* of a VHD: its unique id, and zeros */
    /* Its relations. */
    vhdx_parent_names names; /* of its parent; all NULL and false without */
    size_t parent;           /* number of the parent's file, proven by its identity; VHDX_NONE = none or not found */
    /* file that is where the parent should be and is not (any more) the parent, or VHDX_NONE */
    size_t suspect;
    const size_t *children; /* numbers of the files whose `parent` this is */
    size_t child_count;
    size_t family;
    size_t twin;                /* with a duplicate: another file of the same identity, else VHDX_NONE */
    vhdx_comparison comparison; /* with the twin, or with what is below */
    uint64_t differing_bytes;
    /* What uses it. */
    const vhdx_found_reference *references; /* configurations that name this very disk */
    size_t reference_count;
    vhdx_access access;
    /* ids of machines that were given the disk, also when all may open it: whose it is or was */
    const vhdx_guid *accounts;
    size_t account_count;
    /* What is to be said. */
    const vhdx_remark *remarks;
    size_t remark_count;
    const char *const *advice; /* the family's steps that concern this file, one text each */
    size_t advice_count;
} vhdx_found_file;

/* One configuration. Grows at its end. */
typedef struct vhdx_found_config {
    const char *path;
    const char *absolute;
    unsigned source; /* as of a file */
    bool extra;      /* found in a place for configurations only */
    /* all of it was read; false: what it names is not known, and nothing is proposed to go */
    bool readable;
    const vhdx_machine_info *info; /* never NULL; of one that could not be read only path and `complete` = false */
    const vhdx_drive *drives;      /* info->drive_count of them */
    const size_t *files;           /* for each of them the file that it is, VHDX_NONE = not found or no disk */
    const vhdx_remark *remarks;
    size_t remark_count;
} vhdx_found_config;

typedef enum vhdx_side_kind {
    VHDX_SIDE_TRACKING = 1,      /* .rct, .mrt */
    VHDX_SIDE_REPLICA_LOG = 2,   /* .hrl */
    VHDX_SIDE_GUEST_STATE = 3,   /* .vmgs: firmware, virtual TPM; never to be touched */
    VHDX_SIDE_RUNTIME_STATE = 4, /* .vmrs */
    VHDX_SIDE_SAVED_STATE = 5,   /* .vsv, and .bin beside it */
    VHDX_SIDE_PMEM = 6,          /* .vhdpmem */
    VHDX_SIDE_VHD_SET = 7,       /* .vhds */
    VHDX_SIDE_UNFINISHED = 8,    /* half-written: .tmp, .unfinished */
    VHDX_SIDE_UNDO = 9,          /* an undo file of this library */
} vhdx_side_kind;

VHDX_API const char *vhdx_side_kind_name(vhdx_side_kind kind);

/* A file that belongs to machines or disks and is neither disk nor configuration. Grows at its end. */
typedef struct vhdx_found_side {
    const char *path;
    const char *absolute;
    unsigned source; /* as of a file */
    vhdx_side_kind kind;
    uint64_t file_size;
    size_t file; /* the disk that it belongs to, or VHDX_NONE */
    const vhdx_remark *remarks;
    size_t remark_count;
} vhdx_found_side;

/* One line of disks, leaf first, down to where it ends or breaks. */
typedef struct vhdx_found_chain {
    const size_t *files;
    size_t count;
    size_t family;
    bool complete; /* ends in a base, and every layer is readable */
} vhdx_found_chain;

/* Disks that hang together: a tree of chains, with its duplicates and those whose parent is in doubt. Grows at its
 * end. */
typedef struct vhdx_found_family {
    const char *name;    /* for people: the base's name */
    const size_t *files; /* parents before their children */
    size_t file_count;
    size_t problem_count;         /* findings of severity ERROR */
    uint64_t bytes;               /* that its files take */
    uint64_t reclaimable;         /* that would come back when all steps have been taken */
    const vhdx_found_step *steps; /* in order */
    size_t step_count;
    bool may_delete;             /* all conditions for proposing to remove files are met */
    const char *const *blockers; /* if not: which are not, one sentence each */
    size_t blocker_count;
} vhdx_found_family;

/* A place that was asked for, met on the way, or spoken of by a configuration. Grows at its end. */
typedef struct vhdx_found_place {
    const char *path;
    bool searched;
    const char *reason; /* why not; NULL when it was */
    bool nowhere;       /* a link that leads to nothing: `searched` is false, and yet nothing was left out */
} vhdx_found_place;

typedef struct vhdx_found_totals {
    size_t file_count, config_count, side_count, chain_count, family_count, place_count;
    uint64_t files_seen; /* of any kind */
    uint64_t directories_seen;
    uint64_t bytes; /* that the disks take */
    uint64_t reclaimable;
    size_t problem_count; /* 0: everything found belongs together */
    bool complete_asked;  /* the caller said that the roots are all there is */
    bool data_compared;
} vhdx_found_totals;

typedef struct vhdx_orphans_progress {
    uint64_t files_seen, disks_found, configs_found, directories_seen;
    uint64_t bytes_compared; /* with `data` */
    uint64_t bytes_total;    /* to be compared; 0 = not known yet */
    uint64_t commands_tried; /* at the end, before they are proposed */
} vhdx_orphans_progress;

/* Called from the thread that called the library. false asks to cancel. */
typedef bool (*vhdx_orphans_progress_fn)(void *context, const vhdx_orphans_progress *progress);

typedef struct vhdx_orphans_options {
    size_t struct_size;
    const vhdx_host *host;      /* a caller's host is asked from one thread only, unless `jobs` says otherwise */
    const char *const *configs; /* directories (or files) with configurations; disks in them are not looked for */
    size_t config_count;
    const char *const *maps; /* "D:\VMs=/mnt/d/VMs": where paths of another machine are here */
    size_t map_count;
    unsigned jobs;        /* threads; 0 = 32, more where there are more processors (with a caller's host: 1) */
    bool one_file_system; /* do not go into other volumes that are mounted below a root */
    bool data;            /* read duplicates and unreferenced disks whole and compare them */
    bool complete;        /* the caller vouches: no disk and no configuration is elsewhere */
    /* JSON reports of 'vhdx orphans' (of other hosts) to be judged together with the rest */
    const char *const *reports;
    size_t report_count;
    vhdx_orphans_progress_fn progress;
    void *progress_context;
} vhdx_orphans_options;

/*
 * Searches the directories `roots` (files may be named too) and all below them, judges each file by its content, builds
 * the chains by identity, and says of each disk what it is and what to do next. Only reads; a dirty log is replayed in
 * memory. What cannot be read is no failure but a finding (and a place that was not searched). Fails with ARG (no root
 * and no report, or a map without '='), NOT_FOUND (a root that is not there), NOMEM, CANCELLED, and CORRUPT or the
 * host's errors for a report that cannot be read. Memory: some 2 KiB for each disk. The result does not depend on
 * `host` any more, and any number of threads may read it.
 */
VHDX_API vhdx_status vhdx_orphans_scan(const char *const *roots, size_t root_count, const vhdx_orphans_options *options,
                                       vhdx_orphans **orphans, vhdx_error *err);
VHDX_API void vhdx_orphans_free(vhdx_orphans *orphans);

/* Never NULL. */
VHDX_API const vhdx_found_totals *vhdx_orphans_totals(const vhdx_orphans *orphans);
/* Records by number, from 0; NULL when there is none of that number. Files and configurations are sorted by path. */
VHDX_API const vhdx_found_file *vhdx_orphans_file(const vhdx_orphans *orphans, size_t number);
VHDX_API const vhdx_found_config *vhdx_orphans_config(const vhdx_orphans *orphans, size_t number);
VHDX_API const vhdx_found_side *vhdx_orphans_side(const vhdx_orphans *orphans, size_t number);
VHDX_API const vhdx_found_chain *vhdx_orphans_chain(const vhdx_orphans *orphans, size_t number);
VHDX_API const vhdx_found_family *vhdx_orphans_family(const vhdx_orphans *orphans, size_t number);
VHDX_API const vhdx_found_place *vhdx_orphans_place(const vhdx_orphans *orphans, size_t number);

/* ---------------------------------------------------------------------------------------------------------------- */
/* What can hurt you                                                                                                */
/*                                                                                                                  */
/*  - Writing to a parent invalidates every child: their linkage no longer matches. vhdx_merge refuses when it sees   */
/*    such a child; it sees only the directories of the layers and those given in `parents`.                          */
/*  - A disk that a running machine, a backup agent or another host has open must not be merged. Locks show users     */
/*    of the same kernel (or file server) only; a disk on shared storage may be in use by another host, which does not
 * show.      */
/*  - After a merge the machine's configuration still names the child, change tracking (.rct, .mrt) of the touched    */
/*    files is worthless, and a saved state does not fit any more. Notices of kind NEXT say so.                       */
/*  - A saved copy of the parent and a merged child do not belong together any more.                                  */
/*  - vhdx_chain_hash and vhdx_chain_stream visit every byte of the virtual disk: 64 TiB of zeros take an hour.       */
/* ---------------------------------------------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif
#endif
