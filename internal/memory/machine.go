package memory

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Default is the limit of a process that was given none: half of the memory of the
// machine or of the cgroup that it runs in, whichever has less, and at least Least.
func Default() int64 { return defaultOf(os.DirFS("/")) }

func defaultOf(root fs.FS) int64 {
	return max(Least, machine(root)/2)
}

// unknownMachine is the memory of a machine that does not tell.
const unknownMachine = 2 << 30

func machine(root fs.FS) int64 {
	n := int64(0)
	less := func(x int64) {
		if x > 0 && (n == 0 || x < n) {
			n = x
		}
	}
	less(memTotal(root))
	for _, file := range cgroupFiles(root) {
		if b, err := fs.ReadFile(root, file); err == nil {
			// "max" is no number, and no limit.
			x, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			less(x)
		}
	}
	if n == 0 {
		return unknownMachine
	}
	return n
}

func memTotal(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// cgroupFiles are the files with limits of this process's cgroup and of those above
// it: a limit holds for everything below. In a container its own is the root.
func cgroupFiles(root fs.FS) []string {
	var out []string
	add := func(mount, group, file string) {
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			out = append(out, path.Join(mount, dir, file))
			if dir == "/" {
				return
			}
		}
	}
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.SplitN(line, ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "":
			add("sys/fs/cgroup", f[2], "memory.max")
		case strings.Contains(","+f[1]+",", ",memory,"):
			add("sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes")
		}
	}
	return out
}
