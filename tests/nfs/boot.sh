#!/usr/bin/env bash
# Boots a Debian kernel in qemu and runs guest.sh in it as root: a machine that has NFS, on one that need not.
#
# usage: boot.sh WORK SECONDS [SCENARIO...]
# WORK/bin holds the programs under test. The guest sees this machine's files, read-only below a file system in
# memory, so that all programs of this machine are there; it has no network but its own. No KVM is needed.
set -euo pipefail

work=$(realpath "$1")
limit=$2
scenarios=${*:3}
here=$(dirname "$(realpath "$0")")
kernel=$work/kernel

# The kernel that Debian has now, unpacked and not installed; kept for the next time.
fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    rm -rf "$kernel".part
    mkdir -p "$kernel".part
    (cd "$kernel".part && apt-get -q download "$package" && dpkg -x "$package"_*.deb . && rm -- "$package"_*.deb)
    depmod -b "$kernel".part "${package#linux-image-}"
    mv "$kernel".part "$kernel"
}

# The modules that are needed to see this machine's files, in the order of their dependencies.
modules() {
    local module
    for module in virtio_pci 9pnet_virtio 9p overlay; do
        modprobe -d "$kernel" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# What the kernel starts: mounts this machine's files, and runs guest.sh on them.
make_initramfs() {
    local root=$work/initramfs module
    rm -rf "$root"
    mkdir -p "$root"/{bin,modules,host,proc,sys,dev,memory,root}
    cp "$(command -v busybox)" "$root/bin/"
    modules | while read -r module; do
        cp "$module" "$root/modules/"
        basename "$module" >> "$root/modules/order"
    done
    cat > "$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module; do insmod /modules/\$module; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /host
mount -t tmpfs tmpfs /memory
mkdir -p /memory/upper /memory/work /var/lib/nfs/v4recovery
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root
mkdir -p /root/result
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 result /root/result
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mount -t tmpfs tmpfs /root/run
ln -s /proc/self/fd /root/dev/fd
ip link set lo up
chroot /root /bin/bash $here/guest.sh $work $scenarios > /root/result/log 2>&1
echo \$? > /root/result/code
sync
poweroff -f
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2> /dev/null | gzip -1 > "$work/initramfs.gz")
}

[[ -e $kernel ]] || fetch_kernel
version=$(ls "$kernel/lib/modules")
make_initramfs
rm -rf "$work/result"
mkdir "$work/result"
timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1500 -smp 2 -nographic -no-reboot -net none \
    -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initramfs.gz" -append 'console=ttyS0 panic=1 mitigations=off' \
    -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
    -virtfs local,path="$work/result",mount_tag=result,security_model=none \
    < /dev/null > "$work/console" 2>&1 || true
if [[ ! -e $work/result/code ]]; then
    cat "$work/result/log" || true
    printf 'the guest did not end within %s s; its console: %s\n' "$limit" "$work/console" >&2
    exit 124
fi
cat "$work/result/log"
exit "$(< "$work/result/code")"
