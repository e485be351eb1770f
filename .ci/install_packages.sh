#!/usr/bin/env bash
# install_packages.sh PYTHON LOCK WHAT [SIZE]: install a lock file with pip. What it does is one moving line on a terminal, and a line
# every 15 seconds elsewhere: pip alone is either silent for minutes or prints hundreds of lines. Its errors are printed as they are.
set -euo pipefail
python=$1 lock=$2 what=$3
every=15
[ -t 2 ] && every=1

total=$(grep -cE '^[A-Za-z0-9][^ ]*==' "$lock")
number=0 doing="asking for packages" said=0

report() {
    local text="[$number/$total] $doing, $SECONDS s"
    if [ -t 2 ]; then
        local size
        size=$(stty size <&2 2>/dev/null) || size="24 80"
        printf '\r\033[K%s' "${text:0:${size#* }-1}" >&2
    elif [ $((SECONDS - said)) -ge "$every" ]; then
        said=$SECONDS
        echo "$text" >&2
    fi
}

follow() {
    local part line="" name="" status
    while true; do
        status=0
        IFS= read -r -t "$every" part || status=$?
        line+=$part  # a part of a line where the time is up
        if [ "$status" -gt 128 ]; then
            report
            continue
        fi
        [ "$status" -eq 0 ] || break
        case $line in
            Ignoring\ *) total=$((total - 1)) ;;  # for another system
            Processing\ *) number=$((number + 1)) name=${line##*/} name=${name%%-*} doing=$name ;;
            Collecting\ * | Requirement\ already\ satisfied:*)
                name=${line#Collecting } name=${name#Requirement already satisfied: } name=${name%%[=; ]*}
                number=$((number + 1)) doing=$name ;;
            *Downloading\ *\(*) doing="downloading $name ${line##* (}" doing=${doing%)} ;;
            Installing\ collected*) doing="unpacking, which takes a minute or two" ;;
        esac
        line=""
        report
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

# pip's warnings and errors, each on a line of its own and not behind the moving one.
complaints() {
    if [ -t 2 ]; then sed -u $'s/^/\r\033[K/' >&2; else cat >&2; fi
}

echo "installing $what: up to $total packages${4:+, $4}" >&2
PYTHONUNBUFFERED=1 "$python" -m pip install --progress-bar off --disable-pip-version-check -r "$lock" 2> >(complaints) | follow
echo "installed $what in $SECONDS s" >&2
