/* SPDX-License-Identifier: Apache-2.0 */
/* Entry point: subcommands. The only code that may end the process. */
#include <stdio.h>

int main(void)
{
	puts("ringway " RINGWAY_VERSION);
	return 0;
}
