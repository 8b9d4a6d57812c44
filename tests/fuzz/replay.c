/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over files, without libFuzzer, with any compiler:
 *   fuzz_NAME FILE-OR-FOLDER ...
 * Fails where there is nothing to run: an empty corpus tests nothing.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { MAX_FILE = 1 << 20 };

/* Bytes read, in a block of exactly their number. */
static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *whole = malloc(MAX_FILE);

    if (file == NULL || whole == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    size_t n = fread(whole, 1, MAX_FILE, file);
    fclose(file);
    uint8_t *data = fuzz_block(slice_of(whole, n));
    free(whole);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

static int run_folder(const char *path)
{
    DIR *dir = opendir(path);
    char name[PATH_MAX];
    int count = 0;

    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            count += n < (int)sizeof name ? run_file(name) : 0;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

int main(int argc, char **argv)
{
    struct stat st;
    int count = 0;

    for (int i = 1; i < argc; i++) {
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        count += folder ? run_folder(argv[i]) : run_file(argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
