// Reads an image as the daemons do, as a whole process to compare with: SHA-256 over the file, then the
// decompressor as a child process and Go's archive/tar over its output, every header, metadata.yaml kept.
//
//	GO111MODULE=off go build -o goscan main.go
//	goscan FILE
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
)

var decompressors = []struct {
	magic   []byte
	command []string
}{
	{[]byte{0x1f, 0x8b}, []string{"gzip", "-dc"}},
	{[]byte("BZ"), []string{"bzip2", "-dc"}},
	{[]byte("\xfd7zXZ"), []string{"xz", "-dc"}},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, []string{"zstd", "-dc"}},
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// digest returns the SHA-256 of the file.
func digest(path string) []byte {
	file, err := os.Open(path)
	fail(err)
	defer file.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	fail(err)
	return hash.Sum(nil)
}

// content returns the decompressed file; the child ends with the pipe.
func content(path string) io.Reader {
	file, err := os.Open(path)
	fail(err)
	head := make([]byte, 8)
	_, err = io.ReadFull(file, head)
	fail(err)
	_, err = file.Seek(0, io.SeekStart)
	fail(err)
	for _, one := range decompressors {
		if bytes.HasPrefix(head, one.magic) {
			child := exec.Command(one.command[0], one.command[1:]...)
			child.Stdin = file
			pipe, err := child.StdoutPipe()
			fail(err)
			fail(child.Start())
			return pipe
		}
	}
	return file
}

func main() {
	path := os.Args[1]
	fingerprint := digest(path)
	out := bufio.NewWriter(os.Stdout)
	archive := tar.NewReader(content(path))
	var metadata []byte
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		fail(err)
		fmt.Fprintln(out, header.Name)
		if header.Name == "metadata.yaml" {
			metadata, err = io.ReadAll(archive)
			fail(err)
		}
	}
	fmt.Fprintf(out, "%x\n%s", fingerprint, metadata)
	fail(out.Flush())
}
