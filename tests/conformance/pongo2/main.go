// Command pongo2 renders templates with the real engine, for the tests that compare with it.
//
// One JSON object a line comes in and one goes out, in order; texts are in base64, since they need not be UTF-8.
//
//	in:  template, mode ("daemon" or "bare"), autoescape (bare), variables
//	out: output; or error, stage ("parse" or "execute"), panic
//
// "daemon" renders as LXD does: between two tags, with four tags banned, with LXD's types and panics caught.  A
// template that hangs or ends the process is the caller's to deal with.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/flosch/pongo2"

	"./config"
	"./instance"
)

type request struct {
	Template   []byte          `json:"template"`
	Mode       string          `json:"mode"`
	Autoescape bool            `json:"autoescape"`
	Variables  json.RawMessage `json:"variables"`
}

type answer struct {
	Output []byte `json:"output"`
	Error  string `json:"error,omitempty"`
	Stage  string `json:"stage,omitempty"`
	Panic  bool   `json:"panic,omitempty"`
}

type daemonVariables struct {
	Trigger    string                       `json:"trigger"`
	Path       string                       `json:"path"`
	Instance   map[string]string            `json:"instance"`
	Config     map[string]string            `json:"config"`
	Devices    map[string]map[string]string `json:"devices"`
	Properties map[string]string            `json:"properties"`
}

func daemonContext(raw json.RawMessage) (pongo2.Context, error) {
	given := daemonVariables{}
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, err
	}
	devices := config.Devices{}
	for name, device := range given.Devices {
		devices[name] = config.Device(device).Clone()
	}
	return pongo2.Context{
		"trigger":    instance.TemplateTrigger(given.Trigger),
		"path":       given.Path,
		"instance":   given.Instance,
		"container":  given.Instance,
		"config":     given.Config,
		"devices":    devices,
		"properties": given.Properties,
		"config_get": func(key, fallback *pongo2.Value) *pongo2.Value {
			if value, found := given.Config[key.String()]; found {
				return pongo2.AsValue(strings.TrimRight(value, "\r\n"))
			}
			return fallback
		},
	}, nil
}

// typed is a value with its Go type: exactly one field is set, none for nil.
type typed struct {
	Bool    *bool              `json:"bool"`
	Int     *int               `json:"int"`
	Float   *float64           `json:"float"`
	String  *[]byte            `json:"string"`
	Strings *[][]byte          `json:"strings"`
	Ints    *[]int             `json:"ints"`
	List    *[]typed           `json:"list"`
	Map     *map[string]typed  `json:"map"`
	Texts   *map[string]string `json:"texts"`
	Numbers *map[int]string    `json:"numbers"`
	Time    *time.Time         `json:"time"`
	Func    *string            `json:"func"`
}

func (value typed) value() interface{} {
	switch {
	case value.Bool != nil:
		return *value.Bool
	case value.Int != nil:
		return *value.Int
	case value.Float != nil:
		return *value.Float
	case value.String != nil:
		return string(*value.String)
	case value.Strings != nil:
		list := []string{}
		for _, item := range *value.Strings {
			list = append(list, string(item))
		}
		return list
	case value.Ints != nil:
		return *value.Ints
	case value.List != nil:
		list := []interface{}{}
		for _, item := range *value.List {
			list = append(list, item.value())
		}
		return list
	case value.Map != nil:
		return contextOf(*value.Map)
	case value.Texts != nil:
		return *value.Texts
	case value.Numbers != nil:
		return *value.Numbers
	case value.Time != nil:
		return *value.Time
	case value.Func != nil:
		return functions[*value.Func]
	}
	return nil
}

func contextOf(values map[string]typed) map[string]interface{} {
	found := map[string]interface{}{}
	for name, item := range values {
		found[name] = item.value()
	}
	return found
}

var functions = map[string]interface{}{
	"nothing":  func() *pongo2.Value { return pongo2.AsValue(nil) },
	"constant": func() *pongo2.Value { return pongo2.AsValue("constant <&>") },
	"same":     func(value *pongo2.Value) *pongo2.Value { return value },
	"safe":     func(value *pongo2.Value) *pongo2.Value { return pongo2.AsSafeValue(value.String()) },
	"count":    func(values ...*pongo2.Value) *pongo2.Value { return pongo2.AsValue(len(values)) },
}

func bareContext(raw json.RawMessage) (pongo2.Context, error) {
	given := map[string]typed{}
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, err
	}
	return pongo2.Context(contextOf(given)), nil
}

func render(asked request) (given answer) {
	stage := "parse"
	defer func() {
		if trouble := recover(); trouble != nil {
			given = answer{Error: fmt.Sprint(trouble), Stage: stage, Panic: true}
		}
	}()
	set := pongo2.NewSet("conformance", pongo2.MustNewLocalFileSystemLoader(""))
	for _, tag := range []string{"extends", "import", "include", "ssi"} {
		if err := set.BanTag(tag); err != nil {
			panic(err)
		}
	}
	text := string(asked.Template)
	build := bareContext
	pongo2.SetAutoescape(asked.Autoescape || asked.Mode == "daemon")
	if asked.Mode == "daemon" {
		text = "{% autoescape off %}" + text + "{% endautoescape %}"
		build = daemonContext
	}
	context, err := build(asked.Variables)
	if err != nil {
		return answer{Error: err.Error(), Stage: "setup"}
	}
	template, err := set.FromString(text)
	if err != nil {
		return answer{Error: err.Error(), Stage: stage}
	}
	stage = "execute"
	output := &bytes.Buffer{}
	if err := template.ExecuteWriter(context, output); err != nil {
		return answer{Error: err.Error(), Stage: stage}
	}
	return answer{Output: append([]byte{}, output.Bytes()...)}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println(pongo2.Version)
		return
	}
	debug.SetMaxStack(64 << 20)
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for {
		line, ended := input.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			asked := request{}
			reply := answer{}
			if err := json.Unmarshal(line, &asked); err != nil {
				reply = answer{Error: err.Error(), Stage: "setup"}
			} else {
				reply = render(asked)
			}
			if err := encoder.Encode(reply); err != nil {
				panic(err)
			}
			output.Flush()
		}
		if ended != nil {
			return
		}
	}
}
