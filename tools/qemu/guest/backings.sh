# SPDX-License-Identifier: MIT
# Shell functions of the guest: where its images are, and how they are mounted in their backings.
# IMAGE_COUNT, and IMAGEn_BACKING and IMAGEn_SIZE of each image, are set.

# Addresses of the memory of ivshmem devices, in the order of their slots.
vm_ivshmem_addresses() {
  for vm_device in /sys/bus/pci/devices/*; do
    read -r vm_vendor <$vm_device/vendor
    read -r vm_id <$vm_device/device
    # A line is a region: first byte, last byte, flags. The memory is region 2.
    [ "$vm_vendor $vm_id" != "0x1af4 0x1110" ] || sed -n '3s/ .*//p' $vm_device/resource
  done
}

# Addresses of nvdimms and virtio-pmem devices. QEMU places one above the other.
vm_nd_addresses() {
  cat /sys/bus/nd/devices/region*/resource 2>/dev/null |
    while read -r vm_address; do printf '0x%016x\n' $vm_address; done | sort
}

# Sets IMAGEn_PHYS of the images of the given backings to the lines of the output of COMMAND.
# vm_take COMMAND BACKING...
vm_take() {
  vm_command=$1
  vm_backings=" $2 ${3:-} "
  vm_wanted=
  vm_index=0
  while [ $vm_index -lt $IMAGE_COUNT ]; do
    eval "vm_backing=\$IMAGE${vm_index}_BACKING"
    case $vm_backings in *" $vm_backing "*) vm_wanted="$vm_wanted $vm_index" ;; esac
    vm_index=$((vm_index + 1))
  done
  [ -n "$vm_wanted" ] || return 0
  # Drivers report what they found in their own time.
  vm_tries=0
  until [ "$($vm_command | wc -l)" -eq "$(set -- $vm_wanted; echo $#)" ]; do
    vm_tries=$((vm_tries + 1))
    if [ $vm_tries -gt 300 ]; then
      problem="images$vm_wanted are in$vm_backings, which have memory at: $(echo $($vm_command))"
      return 1
    fi
    usleep 100000
  done
  set -- $($vm_command)
  for vm_index in $vm_wanted; do
    export IMAGE${vm_index}_PHYS="$(printf '0x%x' $1)"
    shift
  done
}

# Sets $problem and fails if a device is not there.
find_images() {
  vm_take vm_ivshmem_addresses ivshmem && vm_take vm_nd_addresses nvdimm virtio-pmem
}

# vm_mount BACKING ADDRESS SIZE REGION DIRECTORY [OPTIONS]; SIZE is that of the image, and REGION that
# of the memory it is mounted in, empty where the module finds out
vm_mount() {
  case $1 in
  dma-heap | udmabuf | vgem) mount_dmabuf $1 "$2" "$3" "$5" "${6:-}" ;;
  *) mount -t daxfs -o "phys=$2${4:+,size=$4}${6:+,$6}" none "$5" ;;
  esac
}

# Mounts an image in its memory, or, in a dma-buf backing, from a dma-buf with a copy of it. The region
# is whole 2 MiB, which struct pages take.
# mount_image INDEX DIRECTORY [OPTIONS]
mount_image() {
  eval "set -- \$IMAGE$1_BACKING \$IMAGE$1_PHYS \$IMAGE$1_SIZE" '"$2" "${3:-}"'
  case $1 in
  ivshmem | nvdimm) vm_region= ;;
  *) vm_region=$((($3 + 0x1fffff) / 0x200000 * 0x200000)) ;;
  esac
  vm_mount "$1" "$2" "$3" "$vm_region" "$4" "$5"
}

# The same for any range with an image in it, in the backing $BACKING, with its size as an option.
# mount_memory ADDRESS SIZE DIRECTORY [OPTIONS]
mount_memory() {
  vm_mount $BACKING "$1" "$2" "$2" "$3" "${4:-}"
}
