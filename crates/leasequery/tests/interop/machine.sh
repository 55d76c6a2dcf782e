# Boots the machine's own systemd in a container, on top of its own root directory with the files of FILES added:
# machine.sh FILES DIRECTORY. What is written goes with it; it has a network of its own. With a third argument it only tries
# whether there can be a container here.
set -eu
files=$1 directory=$2

# A control group of its own for each hierarchy that systemd uses, so that several containers do not meet.
groups=
join() {
  path=$1$(sed -n "s/^$2://p" /proc/self/cgroup)/leasequery-test-$$
  mkdir "$path"
  echo $$ >"$path/cgroup.procs"
  groups="$groups $path"
}
for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
  if [ -e "$root/cgroup.procs" ]; then join "$root" 0:; fi
done
if [ -e /sys/fs/cgroup/systemd/cgroup.procs ]; then join /sys/fs/cgroup/systemd '[0-9]*:name=systemd'; fi

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
cp -R "$files/." "$directory/root"
if [ $# -eq 2 ]; then set -- --boot -- --unit=sysinit.target; else set -- --as-pid2 -- true; fi
status=0
systemd-nspawn --quiet --directory="$directory/root" --register=no --keep-unit --private-network --link-journal=no \
  --resolv-conf=off --timezone=off --console=pipe "$@" || status=$?
for group in $groups; do
  echo $$ >"${group%/*}/cgroup.procs"
  find "$group" -depth -type d -exec rmdir {} + || true
done
exit $status
