# The bake of this benchmark with Packer's qemu builder, with what Debian's Packer 1.6.6 needs to do it.
variable "base" { type = string }
variable "base_sha256" { type = string }
variable "output" { type = string }
variable "private_key" { type = string }
variable "seed" { type = string }
variable "archive" { type = string }
variable "scripts" { type = string }
variable "cpus" { type = number }
variable "memory_mib" { type = number }

source "qemu" "bake" {
  iso_url            = var.base
  iso_checksum       = "sha256:${var.base_sha256}"
  disk_image         = true
  use_backing_file   = false # the image must stand alone
  skip_resize_disk   = true
  skip_compaction    = false
  format             = "qcow2"
  accelerator        = "tcg"
  machine_type       = "q35"
  cpus               = var.cpus
  memory             = var.memory_mib
  net_device         = "virtio-net"
  disk_interface     = "virtio"
  disk_cache         = "unsafe"
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"
  headless           = true
  disable_vnc        = true
  boot_wait          = "-1s" # only a negative value means not to wait; 0s means the default of 10 s
  output_directory   = var.output
  vm_name            = "image.qcow2"
  communicator       = "ssh"
  ssh_username       = "root"
  ssh_timeout        = "20m"
  ssh_private_key_file = var.private_key
  shutdown_command   = "poweroff"
  qemuargs = [
    ["-serial", "file:${var.output}.console.log"],
    ["-device", "virtio-rng-pci"],
    ["-vnc", "none"], # disable_vnc alone still starts a server
    ["-drive", "file=${var.output}/image.qcow2,if=virtio,cache=unsafe,discard=unmap,detect-zeroes=unmap,format=qcow2"],
    ["-drive", "file=${var.seed},if=virtio,format=raw,readonly=on"],
  ]
}

build {
  sources = ["source.qemu.bake"]
  provisioner "file" {
    source      = var.archive
    destination = "/tmp/app.tar"
  }
  provisioner "shell" {
    script          = "${var.scripts}/provision-1.sh"
    execute_command = "sh {{ .Path }}"
  }
  provisioner "shell" {
    # Packer doesn't check that a reboot happened: without the sleep, the next script would run in
    # the machine that is still going down.
    inline            = ["reboot; sleep 300"]
    expect_disconnect = true
    skip_clean        = true
  }
  provisioner "shell" {
    script          = "${var.scripts}/provision-2.sh"
    execute_command = "sh {{ .Path }}"
    pause_before    = "0s"
  }
  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "${var.output}.{{.ChecksumType}}"
  }
}
