// SPDX-License-Identifier: MIT
/**
 * Three layers for overlayfs, as scripts for `hostScript`, and a script that merges them with cp and
 * rm. The lowest layer has the directory `checks`, which helpers/overlay_checks.c changes. All three
 * have parts of the directory `layers`.
 */

/** Parameters: the directory of the layer, the directory of the compiled programs. */
export const MAKE_BASE = `
mkdir -p "$1/checks"; cd "$1/checks"
for name in file truncated appended cut mapped metadata metadata-then-data untouched; do
  "$2/pattern" 100003 >$name
done
ln -s file link; mkfifo fifo; mknod device c 1 3
cp "$2/identity" program
mkdir -p links/deep; echo linked >links/one; ln links/one links/two; ln links/one links/deep/three
echo x | tee removed turned >/dev/null
mkdir emptied directory; echo x | tee emptied/one emptied/two >/dev/null
for name in renamed renamed-too renamed-over exchanged exchanged-with; do echo $name >$name; done
mkdir -p moved/deep/er; echo a >moved/a; echo inside >moved/deep/er/inside
touch attributes
for kind in user trusted; do
  setfattr -n $kind.kept -v kept attributes; setfattr -n $kind.changed -v old attributes
done
echo 'of root' >private; chmod 0600 private
chmod 4755 program; chown 12:34 file link fifo device directory; chmod 2751 directory
touch -h -d '2001-02-03 04:05:06.000000007 UTC' file link fifo device directory

mkdir ../layers; cd ../layers
for name in kept whited-out brought-back file-to-directory file-to-symlink metacopied; do
  echo base >$name
done
ln -s kept symlink-to-file
mkdir -p whited-out-directory/deep directory-brought-back opaque/deep opaque-on-top \\
  opaque-twice/child merged/deep/er directory-to-file/deep user-opaque moved-from/deep many
touch whited-out-directory/deep/inside directory-brought-back/old opaque/old opaque/deep/old \\
  opaque-on-top/old opaque-twice/old opaque-twice/child/old directory-to-file/deep/x user-opaque/old
for name in a b c only-base deep/er/base; do echo base >merged/$name; done
for name in a deep/b; do echo base >moved-from/$name; done
setfattr -n user.layer -v base merged; chmod 0750 merged; chown 1:2 merged
(cd many && for i in $(seq 100 499); do echo base >$i; done)
`;

/** Parameters: the directory of the layer, the directory of the lowest layer. */
export const MAKE_MIDDLE = `
mkdir -p "$1/layers"; cd "$1/layers"
whiteout() { mknod "$1" c 0 0; }
opaque() { mkdir -p "$1"; setfattr -n trusted.overlay.opaque -v y "$1"; }
whiteout whited-out; whiteout whited-out-directory; whiteout brought-back
whiteout directory-brought-back; whiteout was-never-there
opaque opaque; mkdir opaque/deep; touch opaque/new opaque/deep/new
mkdir opaque-on-top; touch opaque-on-top/middle
opaque opaque-twice; opaque opaque-twice/child; touch opaque-twice/child/middle
mkdir -p merged/deep/er; for name in b d deep/er/middle; do echo middle >merged/$name; done
setfattr -n trusted.layer -v middle merged
echo middle >directory-to-file; ln -s kept file-to-symlink
mkdir user-opaque; setfattr -n user.overlay.opaque -v y user-opaque; touch user-opaque/new
# A renamed directory, and a file with changed attributes and unchanged content.
mkdir moved-to; setfattr -n trusted.overlay.redirect -v /layers/moved-from moved-to
whiteout moved-from; echo middle >moved-to/new
truncate -r "$2/layers/metacopied" metacopied; chmod 0640 metacopied; chown 7:8 metacopied
setfattr -n trusted.overlay.metacopy metacopied
mkdir many; cd many
for i in $(seq 100 3 499); do whiteout $i; done
for i in $(seq 500 599); do echo middle >$i; done
`;

/** Parameter: the directory of the layer. */
export const MAKE_TOP = `
mkdir -p "$1/layers"; cd "$1/layers"
echo top >brought-back; mkdir directory-brought-back; touch directory-brought-back/new
mkdir -p opaque/deep; touch opaque/top opaque/deep/top
mkdir opaque-on-top; setfattr -n trusted.overlay.opaque -v y opaque-on-top; touch opaque-on-top/top
mkdir -p opaque-twice/child; touch opaque-twice/top
mkdir -p merged/deep/er; for name in c e deep/er/top; do echo top >merged/$name; done
mknod merged/d c 0 0; mknod merged/deep/er/middle c 0 0
chmod 0705 merged; touch -d '2011-12-13 14:15:16.171819202 UTC' merged
mkdir file-to-directory; touch file-to-directory/inside
echo top >symlink-to-file
mkdir moved-to; echo top >moved-to/a
mkdir many; cd many; for i in $(seq 100 5 599); do echo top >$i; done
for i in $(seq 550 2 599); do rm -f $i; mknod $i c 0 0; done
`;

/**
 * Parameters: the output directory, then the three layers from the lowest up. Each layer first
 * removes what it hides, and then its files are copied.
 */
export const EXPECTED_MERGE = `
whiteouts() { find . -type c -exec sh -c '[ "$(stat -c %t:%T "$1")" = 0:0 ]' sh {} ';' -print0; }
# apply LAYER TREE
apply() {
  local clean=$2.clean
  cp -a "$1" "$clean"
  cd "$clean"
  whiteouts | while IFS= read -r -d '' path; do rm -rf "$2/$path" "$path"; done
  find . -type d -print0 | while IFS= read -r -d '' path; do
    if getfattr --only-values -n trusted.overlay.opaque "$path" >/dev/null 2>&1; then rm -rf "$2/$path"; fi
    if [ ! -d "$2/$path" ] || [ -L "$2/$path" ]; then rm -rf "$2/$path"; else
      # A directory has only the attributes of the topmost layer.
      getfattr -m - -d "$2/$path" 2>/dev/null | sed -n 's/=.*//p' |
        while read -r name; do setfattr -x "$name" "$2/$path"; done
    fi
    for name in opaque redirect; do setfattr -x trusted.overlay.$name "$path" 2>/dev/null || true; done
    # Removing the whiteouts has changed its mtime.
    touch -r "$1/$path" "$path"
  done
  find . ! -type d -print0 | while IFS= read -r -d '' path; do rm -rf "$2/$path"; done
  cp -a . "$2"
  rm -rf "$clean"
}
cp -a "$2" "$1"
cp -a "$1/layers/moved-from" "$1/layers/moved-to"
apply "$3" "$1"
cp --no-preserve=all "$2/layers/metacopied" "$1/layers/metacopied"
setfattr -x trusted.overlay.metacopy "$1/layers/metacopied"
touch -r "$3/layers/metacopied" "$1/layers/metacopied"
apply "$4" "$1"
`;

/**
 * Two layers as tar archives, the upper one with whiteouts of container images in several orders.
 * Parameter: the directory for `lower.tar` and `upper.tar`.
 */
export const MAKE_ARCHIVES = `
mkdir "$1/lower" "$1/upper"; cd "$1/lower"
mkdir opaque both swapped gone kept
touch opaque/old opaque/other both/old swapped/old gone/inside kept/file
tar -cf ../lower.tar *
cd ../upper
mkdir opaque both swapped gone
touch opaque/.wh..wh..opq opaque/.wh.old opaque/new both/new swapped/new gone/.wh.inside
touch .wh.both .wh.swapped .wh.gone
tar --no-recursion -cf ../upper.tar opaque opaque/.wh.old opaque/.wh..wh..opq opaque/new \\
  .wh.both both both/new swapped swapped/new .wh.swapped gone/.wh.inside .wh.gone
`;

/** Merges the images of both, the lower one first, and lists what overlayfs shows. */
export const SHOW_ARCHIVES = `
mkdir -p /lower/first /lower/second
mount_image 3 /lower/first && mount_image 4 /lower/second || exit 22
mount -t overlay -o lowerdir=/lower/second:/lower/first overlay /merged || exit 23
value "marked layers" "$(cd /merged && find . -mindepth 1 -printf '%P ' 2>&1)"
value "entries that can't be looked up" "$(find /merged -mindepth 1 -exec stat -c %F {} + 2>&1 | grep -c 'No such')"
umount /merged && umount /lower/first /lower/second || exit 24
`;

/** What overlayfs is to show, sorted. */
export const MARKED_TREE = "both both/new kept kept/file opaque opaque/new swapped swapped/new";
