#!/usr/bin/env bash
# A study on a real Slurm: one job killed, one preempted, one out of time. Each must end with the same tensors as
# `--launcher local`, byte for byte. Not part of `make test`: it needs root on Debian or Ubuntu, and about 15 minutes.
#
#     sudo tests/slurm.sh [CASE...]
#
# Slurm runs on one node, this machine, on loopback, in a folder and on ports of its own. It is stopped at the end.
set -u
cd "$(dirname "$0")/.." || exit 1

FER=${FER:-$PWD/.venv/bin/fer}
MODELS=${MODELS:-'"cnn-48k", "mobilenet-46k"'}
EPOCHS=${EPOCHS:-20}               # a run must take longer than TIME_LIMIT
TIME_LIMIT=${TIME_LIMIT:-1}        # minutes; of 1, 15 s are certain, of 2, 60 s: long enough for the start and an epoch
EPOCHS_BEFORE=${EPOCHS_BEFORE:-2}  # epochs of a run before it is killed or preempted
REQUEUE_AFTER=${REQUEUE_AFTER:-20} # seconds; Slurm's default is 120
PATIENCE=${PATIENCE:-900}          # seconds until the jobs of a case must have ended
FOLDER=${FOLDER:-$(mktemp --directory /tmp/fer-slurm.XXXXXX)} # one of a former call keeps its local runs
STUDY=$FOLDER/study.toml
mkdir --parents "$FOLDER"
cat > "$STUDY" <<TOML
[[stage]]
name = "first"
models = [$MODELS]
epochs = $EPOCHS
TOML

# --- Slurm -----------------------------------------------------------------------------------------------------------

install_slurm() {
    [ "$(command -v slurmctld slurmd sbatch munged | wc -l)" = 4 ] && return
    apt-get update --quiet=2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
            slurmctld slurmd slurm-client munge > "$FOLDER/apt.log" 2>&1
}

start_slurm() {
    local node
    node=$(hostname --short)
    export SLURM_CONF=$FOLDER/slurm.conf
    mkdir --parents "$FOLDER/state" "$FOLDER/spool"
    (umask 077 && head --bytes 1024 /dev/urandom > "$FOLDER/munge.key")
    # preempt_send_user_signal: without it a job hears SIGTERM alone, and PreemptMode=CANCEL ends it for good.
    cat > "$SLURM_CONF" <<CONF
ClusterName=fer
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthInfo=socket=$FOLDER/munge.socket,cred_expire=$REQUEUE_AFTER
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
NodeName=$node NodeAddr=127.0.0.1 CPUs=2
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=CANCEL GraceTime=30
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
CONF
    munged --force --key-file="$FOLDER/munge.key" --socket="$FOLDER/munge.socket" --seed-file="$FOLDER/munged.seed" \
        --pid-file="$FOLDER/munged.pid" --log-file="$FOLDER/munged.log" && slurmctld -c && slurmd -c || return
    for _ in $(seq 30); do
        [ "$(sinfo --noheader --partition low --format %t 2> /dev/null)" = idle ] && return
        sleep 1
    done
    return 1
}

# queue_empties SECONDS: wait for it. No answer from squeue is not an empty queue.
queue_empties() {
    local queue
    for _ in $(seq "$1"); do
        queue=$(squeue --noheader 2> /dev/null) && [ -z "$queue" ] && return
        sleep 1
    done
    return 1
}

stop_slurm() {
    scancel --user root 2> /dev/null
    queue_empties 60  # without slurmctld, slurmd would wait for it
    local processes
    processes=$(cat "$FOLDER"/slurmd.pid "$FOLDER"/slurmctld.pid "$FOLDER"/munged.pid 2> /dev/null | xargs)
    # shellcheck disable=SC2086
    [ -n "$processes" ] && kill $processes || return
    for _ in $(seq 30); do
        ps -o stat= -p "$processes" | grep --quiet --invert-match '^Z' || return 0  # a zombie has ended
        sleep 1
    done
}

# --- The study -------------------------------------------------------------------------------------------------------

# study CASE OPTION...: into a run folder of the case's own
study() {
    local case=$1
    shift
    "$FER" study "$STUDY" --data demo --runs "$FOLDER/$case" --out "$FOLDER/$case.csv" "$@" >> "$FOLDER/$case.log" 2>&1
}

# slurm_study CASE OPTION...: in the background, whether or not `fer study` waits for its jobs
slurm_study() {
    study "$@" --launcher slurm --sbatch partition=low &
    STUDY_PROCESS=$!
}

# training CASE: the processes that train a run of this case
training() {
    pgrep --full -- "train .*--study .*$FOLDER/$1( |\$)"
}

# in_logs CASE TEXT: whether a job of this case said so
in_logs() {
    grep --recursive --quiet --no-messages --include='*.out' -- "$2" "$FOLDER/$1"
}

# until_epoch CASE: until every job has trained so far
until_epoch() {
    local text="^epoch $EPOCHS_BEFORE " behind
    for _ in $(seq "$PATIENCE"); do
        behind=$(grep --recursive --no-messages --files-without-match --include='*.out' -- "$text" "$FOLDER/$1")
        in_logs "$1" "$text" && [ -z "$behind" ] && return
        sleep 1
    done
    return 1
}

until_jobs_end() {
    wait "$STUDY_PROCESS"
    queue_empties "$PATIENCE" && return
    scancel --user root
    return 1
}

killed() {
    slurm_study killed --sbatch time=30
    until_epoch killed || return
    kill -KILL "$(training killed | head --lines 1)" || return
    until_jobs_end && in_logs killed "ended with status -9" || return
    slurm_study killed --sbatch time=30
    until_jobs_end
}

preempted() {
    slurm_study preempted --sbatch time=30
    until_epoch preempted || return
    sbatch --partition=high --cpus-per-task=2 --output=/dev/null --wrap "sleep 5" > /dev/null || return
    until_jobs_end && in_logs preempted "Requeued job"
}

timed_out() {
    slurm_study timed_out --sbatch "time=$TIME_LIMIT"
    until_jobs_end && in_logs timed_out "Requeued job"
}

same_weights() {
    local files file
    files=$(cd "$FOLDER/local" && find . -name weights.safetensors)
    [ -n "$files" ] || return
    for file in $files; do
        cmp --quiet "$FOLDER/local/$file" "$FOLDER/$1/$file" || return
    done
}

report() {
    local seconds=$((SECONDS - STARTED))
    if [ "$2" = 0 ]; then echo "ok      $1 ($seconds s)"; else echo "failed  $1 ($seconds s)" && FAILED=1; fi
}

install_slurm || { echo "Slurm could not be installed; see $FOLDER/apt.log" && exit 1; }
trap stop_slurm EXIT
start_slurm || { echo "Slurm did not start; see the logs in $FOLDER" && exit 1; }
FAILED=0
STARTED=$SECONDS
study local --launcher local
report "local launcher" $?
[ $# -gt 0 ] || set -- killed preempted timed_out
for case in "$@"; do
    STARTED=$SECONDS
    "$case" && same_weights "$case"
    report "$case" $?
done
echo "logs and runs: $FOLDER"
exit "$FAILED"
