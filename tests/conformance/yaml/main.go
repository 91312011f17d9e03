// Decodes metadata.yaml with the YAML library of LXD 5.0 and Incus 6.0, for tests to compare with.
//
// Each line of standard input is a text in base64; each line of standard output is a JSON object: `error`, or what was
// decoded.  Texts are in base64, since they need not be UTF-8.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o decode main.go
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"

	"gopkg.in/yaml.v2"
)

type rule struct {
	When       []string          `yaml:"when"`
	CreateOnly bool              `yaml:"create_only"`
	Template   string            `yaml:"template"`
	Properties map[string]string `yaml:"properties"`
	UID        string            `yaml:"uid"`
	GID        string            `yaml:"gid"`
	Mode       string            `yaml:"mode"`
}

type metadata struct {
	Architecture string            `yaml:"architecture"`
	CreationDate int64             `yaml:"creation_date"`
	ExpiryDate   int64             `yaml:"expiry_date"`
	Properties   map[string]string `yaml:"properties"`
	Templates    map[string]*rule  `yaml:"templates"`
}

type pair [2][]byte

type ruleOut struct {
	Target     []byte   `json:"target"`
	Null       bool     `json:"null"`
	When       [][]byte `json:"when"`
	CreateOnly bool     `json:"create_only"`
	Template   []byte   `json:"template"`
	Properties []pair   `json:"properties"`
}

type answer struct {
	Error        string    `json:"error,omitempty"`
	Architecture []byte    `json:"architecture"`
	CreationDate int64     `json:"creation_date"`
	ExpiryDate   int64     `json:"expiry_date"`
	Properties   []pair    `json:"properties"`
	Templates    []ruleOut `json:"templates"`
}

// member is read like the member of an archive: the end is announced together with the last bytes.
type member struct {
	rest []byte
}

func (m *member) Read(buffer []byte) (int, error) {
	size := copy(buffer, m.rest)
	m.rest = m.rest[size:]
	if len(m.rest) == 0 {
		return size, io.EOF
	}
	return size, nil
}

func pairs(texts map[string]string) []pair {
	out := []pair{}
	for key, value := range texts {
		out = append(out, pair{[]byte(key), []byte(value)})
	}
	sort.Slice(out, func(i, j int) bool { return bytes.Compare(out[i][0], out[j][0]) < 0 })
	return out
}

func rules(templates map[string]*rule) []ruleOut {
	out := []ruleOut{}
	for target, one := range templates {
		if one == nil {
			out = append(out, ruleOut{Target: []byte(target), Null: true, When: [][]byte{}, Properties: []pair{}})
			continue
		}
		when := [][]byte{}
		for _, trigger := range one.When {
			when = append(when, []byte(trigger))
		}
		out = append(out, ruleOut{[]byte(target), false, when, one.CreateOnly, []byte(one.Template), pairs(one.Properties)})
	}
	sort.Slice(out, func(i, j int) bool { return bytes.Compare(out[i].Target, out[j].Target) < 0 })
	return out
}

// decode reads the first document, as the daemons do; a panic of the library is an error of that text.
func decode(text []byte) (out answer) {
	defer func() {
		if fault := recover(); fault != nil {
			out = answer{Error: fmt.Sprint("panic: ", fault)}
		}
	}()
	record := metadata{}
	err := yaml.NewDecoder(io.LimitReader(&member{text}, 1<<20)).Decode(&record)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{
		Architecture: []byte(record.Architecture),
		CreationDate: record.CreationDate,
		ExpiryDate:   record.ExpiryDate,
		Properties:   pairs(record.Properties),
		Templates:    rules(record.Templates),
	}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		text, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		encoded, err := json.Marshal(decode(text))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		out.Write(append(encoded, '\n'))
	}
}
