/* wolfSSL at both ends of a reauth.
 *
 *   wolf client PORT CA offer|silent [CERTIFICATE KEY]
 *   wolf server PORT CA require|request CERTIFICATE KEY
 *
 * The client sends what is typed and prints what it receives; "^rekey^" changes keys. The
 * server serves one client after another. It obeys lines, as lines.py has them, and answers
 * "reauth" before it knows how that ends.
 */

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 16384 };

static void give_up(const char *what) {
    printf("%s failed\n", what);
    exit(1);
}

static int complain(const char *what, WOLFSSL *ssl, int result) {
    char text[WOLFSSL_MAX_ERROR_SZ];
    WOLFSSL_ALERT_HISTORY alerts;
    printf("%s: %s\n", what, wolfSSL_ERR_error_string(wolfSSL_get_error(ssl, result), text));
    if (wolfSSL_get_alert_history(ssl, &alerts) == WOLFSSL_SUCCESS && alerts.last_rx.code > 0)
        printf("received alert %d\n", alerts.last_rx.code); /* it has no name for 116 */
    return -1;
}

static WOLFSSL_CTX *configure(WOLFSSL_METHOD *method, const char *ca, const char *chain,
                              const char *key) {
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
    if (!ctx || wolfSSL_CTX_load_verify_locations(ctx, ca, NULL) != WOLFSSL_SUCCESS)
        give_up(ca);
    if (chain && wolfSSL_CTX_use_certificate_chain_file(ctx, chain) != WOLFSSL_SUCCESS)
        give_up(chain);
    if (key && wolfSSL_CTX_use_PrivateKey_file(ctx, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        give_up(key);
    return ctx;
}

static WOLFSSL *attach(WOLFSSL_CTX *ctx, int fd) {
    WOLFSSL *ssl = wolfSSL_new(ctx);
    wolfSSL_set_fd(ssl, fd);
    return ssl;
}

/* Returns what came, 0 if nothing did, -1 at the end. */
static int take(WOLFSSL *ssl, char *data) {
    int size = wolfSSL_read(ssl, data, SIZE), error;
    if (size > 0)
        return size;
    error = wolfSSL_get_error(ssl, size);
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return 0;
    return error == WOLFSSL_ERROR_ZERO_RETURN ? -1 : complain("read", ssl, size);
}

static int wait_for(WOLFSSL *ssl) {
    struct pollfd polled = {wolfSSL_get_fd(ssl), POLLIN, 0};
    return wolfSSL_pending(ssl) || poll(&polled, 1, -1) > 0;
}

static int be_client(WOLFSSL_CTX *ctx, const struct sockaddr_in *address, int offer) {
    char data[SIZE];
    int fd = socket(AF_INET, SOCK_STREAM, 0), result, size;
    if (connect(fd, (const void *)address, sizeof *address))
        give_up("connect");
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
    if (offer && wolfSSL_CTX_allow_post_handshake_auth(ctx) != 0)
        give_up("wolfSSL_CTX_allow_post_handshake_auth");
    WOLFSSL *ssl = attach(ctx, fd);
    wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, "localhost", strlen("localhost"));
    wolfSSL_check_domain_name(ssl, "localhost");
    if ((result = wolfSSL_connect(ssl)) != WOLFSSL_SUCCESS)
        return complain("handshake", ssl, result), 1;
    printf("connected\n");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct pollfd polled[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};
    while (poll(polled, 2, -1) > 0) {
        if (polled[1].revents) {
            do {
                if ((size = take(ssl, data)) < 0)
                    return 1;
                fwrite(data, 1, size, stdout);
            } while (size > 0 && wolfSSL_pending(ssl));
        }
        if (polled[0].revents) {
            if ((size = read(STDIN_FILENO, data, SIZE)) <= 0)
                break;
            if (size == 8 && !memcmp(data, "^rekey^\n", 8)) {
                if ((result = wolfSSL_update_keys(ssl)) != WOLFSSL_SUCCESS)
                    return complain("update", ssl, result), 1;
                printf("updated\n");
            } else if ((result = wolfSSL_write(ssl, data, size)) <= 0)
                return complain("write", ssl, result), 1;
        }
    }
    wolfSSL_shutdown(ssl);
    return 0;
}

static void name_peer(WOLFSSL *ssl, char *name, size_t size) {
    WOLFSSL_X509 *peer = wolfSSL_get_peer_certificate(ssl);
    const char *found = peer ? wolfSSL_X509_get_subjectCN(peer) : NULL;
    snprintf(name, size, "%s", found ? found : "nobody");
    wolfSSL_X509_free(peer);
}

/* Asks. Nothing tells when the answer is in; but a client that has read our reply, which
 * follows the request, has sent it, and whatever it says next comes after it. */
static const char *reauth(WOLFSSL *ssl, int mode) {
    wolfSSL_set_verify(ssl, mode, NULL);
    if (wolfSSL_request_certificate(ssl) != WOLFSSL_SUCCESS)
        return "unavailable";
    wolfSSL_write(ssl, "", 0); /* the request was only queued */
    return "asked";
}

static void converse(WOLFSSL *ssl, int mode) {
    char line[SIZE + 1], answer[512], outcome[300];
    int size;
    name_peer(ssl, outcome, sizeof outcome);
    printf("handshake done, client is %s\n", outcome);
    while (wait_for(ssl) && (size = take(ssl, line)) >= 0) {
        if (!size)
            continue;
        line[size] = 0;
        line[strcspn(line, "\r\n")] = 0; /* the clients of the tests send a line per record */
        if (!strcmp(line, "reauth"))
            snprintf(outcome, sizeof outcome, "%s", reauth(ssl, mode));
        else if (!strcmp(line, "whoami"))
            name_peer(ssl, outcome, sizeof outcome);
        else if (!strcmp(line, "update")) {
            wolfSSL_update_keys(ssl);
            snprintf(outcome, sizeof outcome, "updated");
        } else
            snprintf(outcome, sizeof outcome, "unknown command");
        size = snprintf(answer, sizeof answer, "=> %s\n", outcome);
        wolfSSL_write(ssl, answer, size);
    }
}

static int be_server(WOLFSSL_CTX *ctx, const struct sockaddr_in *address, int mode) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, fd, result;
    char rest[SIZE];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (const void *)address, sizeof *address) || listen(listener, 8))
        give_up("listen");
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL); /* nothing in the handshake */
    printf("listening\n");
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        WOLFSSL *ssl = attach(ctx, fd);
        if ((result = wolfSSL_accept(ssl)) != WOLFSSL_SUCCESS)
            complain("handshake", ssl, result);
        else {
            fcntl(fd, F_SETFL, O_NONBLOCK);
            converse(ssl, mode);
        }
        wolfSSL_shutdown(ssl);
        wolfSSL_free(ssl);
        fcntl(fd, F_SETFL, 0);
        shutdown(fd, SHUT_WR);
        while (read(fd, rest, sizeof rest) > 0)
            ; /* lest what was not read turns our alert into a reset */
        close(fd);
    }
    return 1;
}

int main(int count, char **words) {
    if (count < 5)
        return 2;
    int server = !strcmp(words[1], "server");
    const char *chain = count > 6 ? words[5] : NULL, *key = count > 6 ? words[6] : NULL;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(atoi(words[2])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setvbuf(stdout, NULL, _IONBF, 0);
    wolfSSL_Init();
    WOLFSSL_METHOD *method = server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    WOLFSSL_CTX *ctx = configure(method, words[3], chain, key);
    if (!server)
        return be_client(ctx, &address, !strcmp(words[4], "offer"));
    int required = !strcmp(words[4], "require") ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    return be_server(ctx, &address, WOLFSSL_VERIFY_PEER | required);
}
