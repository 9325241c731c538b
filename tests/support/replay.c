/* Replays a fuzz corpus through a libFuzzer target without libFuzzer: every file of the folders and
   files given, plus the empty input and each file cut at every one of up to 512 lengths. Ends with
   "N inputs". */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static void replay_bytes(const uint8_t *data, size_t len) {
    /* An exact allocation, so that the sanitizer sees a read past the end. */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    inputs++;
}

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    static uint8_t bytes[4 << 20];
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    replay_bytes(bytes, len);
    size_t step = len / 512 + 1;
    for (size_t cut = 0; cut < len; cut += step) {
        replay_bytes(bytes, cut);
    }
}

static void replay(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(info.st_mode)) {
        replay_file(path);
        return;
    }
    DIR *folder = opendir(path);
    for (struct dirent *entry = folder != NULL ? readdir(folder) : NULL; entry != NULL;
         entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            char inner[4096];
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            replay(inner);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

int main(int argc, char **argv) {
    replay_bytes((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%lu inputs\n", inputs);
    return 0;
}
