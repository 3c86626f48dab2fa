/*
 * plot_file.c: see plot_file.h.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/input.h"
#include "cli/plot_file.h"
#include "cli/signals.h"

static int is_named_svg(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && strcasecmp(path + length - 4, ".svg") == 0;
}

/* A pipe or a device takes anything; the name of a file that promises no SVG is a mistake. */
int cli_plot_check(const struct cli_verb *verb, const char *path, int replace)
{
    struct cli_outfile_plan plan = cli_outfile_plan(path, replace);
    struct fls_error error;

    if (!plan.is_special && !is_named_svg(path))
        return cli_usage(verb, "--plot %s: pictures are SVG, so OUT must end in .svg", path);
    if (cli_outfile_check(path, replace, &error) == FLS_OK)
        return CLI_GO_ON;
    cli_fail(path, &error, "nothing was written");
    return cli_exit_of(error.status);
}

static enum fls_status write_text(int fd, const char *text, size_t length, struct fls_error *error)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (cli_signal())
            return FLS_STOPPED;
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return cli_system_error(error, "write", written < 0 ? errno : EIO);
        text += written;
        length -= (size_t)written;
    }
    return FLS_OK;
}

static enum fls_status make_file(const struct cli_outfile_plan *plan, const char *text,
                                 size_t length, const char **left, struct fls_error *error)
{
    struct cli_outfile file;

    cli_signals_catch(); /* from here on there is something to clean up */
    enum fls_status status = cli_outfile_open(&file, plan, error);
    if (status == FLS_OK) {
        status = write_text(file.fd, text, length, error);
        if (status == FLS_OK)
            status = cli_outfile_finish(&file, error);
        else
            cli_outfile_abandon(&file);
    }
    *left = cli_outfile_left(&file);
    return status;
}

int cli_plot_write(const char *path, int replace, const char *stream, const char *text,
                   size_t length)
{
    struct cli_outfile_plan plan = cli_outfile_plan(path, replace);
    struct fls_error error;
    const char *left;

    cli_input_plan_path(stream, &plan);
    enum fls_status status = make_file(&plan, text, length, &left, &error);
    if (status == FLS_OK)
        return CLI_WELL;
    if (cli_signal()) {
        cli_error(path, "interrupted; nothing was written");
        return cli_signal_exit();
    }
    cli_fail(path, &error, left);
    return cli_exit_of(status);
}
