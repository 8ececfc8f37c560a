# What the scripts here share: steps with their time, peers, and whether anything was left behind.
# shellcheck shell=bash

TIMES=()

step() { # title command...: run it, say how long it took, end here if anything of it fails
    local title=$1 start=$SECONDS code
    shift
    echo "== $title"
    set +e # where a command is tested, "set -e" does nothing, not even further down
    (
        set -e
        "$@"
    )
    code=$?
    set -e
    TIMES+=("$(printf '%6d s  %s' $((SECONDS - start)) "$title")")
    if [ "$code" -ne 0 ]; then
        echo "== $title: FAILED after $((SECONDS - start)) s (exit $code)" >&2
        print_times >&2
        exit "$code"
    fi
    echo "== $title: $((SECONDS - start)) s"
}

print_times() { # all steps so far, and their sum
    printf '%s\n' "${TIMES[@]}"
    printf '%6d s  in sum\n' "$SECONDS"
}

# program -> Debian package
declare -A PEERS=(
    [openssl]=openssl [gnutls-cli]=gnutls-bin [gnutls-serv]=gnutls-bin
    [tstclnt]=libnss3-tools [selfserv]=libnss3-tools [certutil]=libnss3-tools
    [curl]=curl [wget]=wget [apache2]=apache2-bin [cc]=gcc
    [tshark]=tshark [softhsm2-util]=softhsm2
    [exim4]=exim4-daemon-light [dovecot]="dovecot-imapd dovecot-pop3d" [slapd]=slapd
    [prosody]=prosody
)
declare -A BROWSERS=(
    [firefox-esr]=firefox-esr [chromium]=chromium [chromedriver]=chromium-driver
)
# the header that a test reads, or compiles a program of its own against -> Debian package
declare -A HEADERS=(
    [stdio.h]=libc6-dev [wolfssl/ssl.h]=libwolfssl-dev [gnutls/gnutls.h]=libgnutls28-dev
)

# not what takes long, nor what is the same with any Python: the peers
PORTABLE='not interop and not browser and not slow'

CACHES='(\.venv[^/]*|build|dist|\.(pytest|mypy|ruff)_cache|\.hypothesis)/|(.*/)?__pycache__/'

what_is_in() { # folder of a checkout: files there that are neither sources, caches nor builds
    git -C "$1" status --porcelain --ignored | grep -vE "^!! ($CACHES)\$" || true
}

nothing_left() { # folder [what was in it before]: fail if there is anything else in it now
    local more
    more=$(what_is_in "$1" | grep -vxF "${2:-nothing}" || true)
    if [ -n "$more" ]; then
        printf 'left behind in the checkout:\n%s\n' "$more" >&2
        return 1
    fi
}
