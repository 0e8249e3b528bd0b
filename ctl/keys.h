/* keys: the command `ringwayctl keys`: makes pairs of CURVE keys and writes their files
 * by CZMQ's zcert, for common/key_file.h to read. */
#pragma once

/* argv[0] is "keys".  Prints what it wrote, or one line about what is wrong.
 * The exit status: 0, 1 when a file cannot be written, 2 when the arguments are wrong. */
int keys_run(int argc, char **argv);
