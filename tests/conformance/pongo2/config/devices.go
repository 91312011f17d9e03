// Package config has the types of the variable "devices", with the methods that templates can reach.
//
// Names of the package, of its types and of their methods are LXD's, since templates print and call them; the
// bodies do what LXD's do.
package config

import (
	"sort"
	"strings"
)

// Device is the configuration of one device.
type Device map[string]string

// Devices is a set of devices by name.
type Devices map[string]Device

// DeviceNamed is a device with its name.
type DeviceNamed struct {
	Name   string
	Config Device
}

// DevicesSortable is a list of devices in some order.
type DevicesSortable []DeviceNamed

const initialPrefix = "initial."

// Clone returns a copy.
func (device Device) Clone() Device {
	copied := make(Device, len(device))
	for key, value := range device {
		copied[key] = value
	}
	return copied
}

// Validate cannot be called by a template, which has no value of the parameter's type.
func (device Device) Validate(rules map[string]func(value string) error) error {
	return nil
}

// InitialConfig returns the keys that only count at creation.
func (device Device) InitialConfig() Device {
	found := Device{}
	for key, value := range device {
		if strings.HasPrefix(key, initialPrefix) {
			found[key] = value
		}
	}
	return found
}

// InitialConfigWithoutPrefix returns the same under shorter names.
func (device Device) InitialConfigWithoutPrefix() Device {
	found := Device{}
	for key, value := range device.InitialConfig() {
		found[strings.TrimPrefix(key, initialPrefix)] = value
	}
	return found
}

// Contains tells whether a device of that name has exactly that configuration.
func (devices Devices) Contains(name string, wanted Device) bool {
	device, found := devices[name]
	if !found || len(device) != len(wanted) {
		return false
	}
	for key, value := range device {
		if other, has := wanted[key]; !has || other != value {
			return false
		}
	}
	return true
}

// Update has too many results to be called by a template.
func (devices Devices) Update(list Devices, change func(Device, Device) []string) (Devices, Devices, Devices, []string) {
	return nil, nil, nil, nil
}

// Copy has no result, so no template can call it.
func (devices Devices) Copy(target Devices) {}

// Clone returns a deep copy.
func (devices Devices) Clone() Devices {
	copied := make(Devices, len(devices))
	for name, device := range devices {
		copied[name] = device.Clone()
	}
	return copied
}

// CloneNative returns a deep copy of plain maps.
func (devices Devices) CloneNative() map[string]map[string]string {
	copied := make(map[string]map[string]string, len(devices))
	for name, device := range devices {
		copied[name] = device.Clone()
	}
	return copied
}

// Filter returns the devices that pass every test; a template can only give none.
func (devices Devices) Filter(tests ...func(map[string]string) bool) Devices {
	kept := Devices{}
	for name, device := range devices {
		passes := true
		for _, test := range tests {
			passes = passes && test(device)
		}
		if passes {
			kept[name] = device
		}
	}
	return kept
}

// CutInitialConfig moves the keys that only count at creation out of the set.
func (devices Devices) CutInitialConfig() Devices {
	found := Devices{}
	for name, device := range devices {
		if initial := device.InitialConfig(); len(initial) > 0 {
			found[name] = initial
			for key := range initial {
				delete(device, key)
			}
		}
	}
	return found
}

func (devices Devices) list() DevicesSortable {
	list := make(DevicesSortable, 0, len(devices))
	for name, device := range devices {
		list = append(list, DeviceNamed{Name: name, Config: device})
	}
	return list
}

// Sorted lists the devices in the order in which they start.
func (devices Devices) Sorted() DevicesSortable {
	list := devices.list()
	sort.Sort(list)
	return list
}

// Reversed lists them in the order in which they stop.
func (devices Devices) Reversed() DevicesSortable {
	list := devices.list()
	sort.Sort(sort.Reverse(list))
	return list
}

// Len is the number of devices.
func (list DevicesSortable) Len() int { return len(list) }

// Swap exchanges two devices.
func (list DevicesSortable) Swap(i, j int) { list[i], list[j] = list[j], list[i] }

// Less puts network devices first, then disks, then the rest.
func (list DevicesSortable) Less(i, j int) bool {
	first, second := list[i].Config, list[j].Config
	kind := first["type"]
	if kind != second["type"] {
		return before(kind, second["type"])
	}
	nested, path := first["nested"] != "", first["path"]
	if kind == "nic" && nested != (second["nested"] != "") {
		return !nested
	}
	if kind == "disk" && path != second["path"] {
		return path == "/" || (second["path"] != "/" && path < second["path"])
	}
	return list[i].Name < list[j].Name
}

func before(kind, other string) bool {
	rank := func(name string) int {
		switch name {
		case "nic":
			return 0
		case "disk":
			return 1
		}
		return 2
	}
	if rank(kind) != rank(other) {
		return rank(kind) < rank(other)
	}
	return kind > other
}
