// A library of the driver's name that says what it is asked for, one line a call: what cuda-bindings make of our
// arguments on their way to C. Signatures are those of cuda.h.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void* Handle;
typedef unsigned long long Address;

static uintptr_t next = 0x1000;
static int made(Handle* place) {
  *place = (Handle)(next += 16);
  return 0;
}
#define SAID(...) (printf(__VA_ARGS__), fflush(stdout), 0)
#define NUMBER(handle) (unsigned long)(uintptr_t)(handle)

int cuInit(unsigned flags) { return SAID("init %u\n", flags); }
int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
int cuGetErrorString(int status, const char** text) { return *text = "said so", (void)status, 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDevicePrimaryCtxRetain(Handle* context, int device) { return (void)device, made(context); }
int cuCtxSetCurrent(Handle context) { return (void)context, 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return *value = attribute == 75 ? 9 : 0, (void)device, 0;
}
int cuMemAlloc_v2(Address* address, size_t size) {
  return *address = 0x7f0000000000, SAID("alloc %zu\n", size);
}
int cuMemFree_v2(Address address) { return SAID("free %llx\n", address); }
int cuMemAllocHost_v2(Handle* address, size_t size) { return *address = malloc(size), 0; }
int cuMemFreeHost(Handle address) { return free(address), 0; }
int cuMemcpyHtoDAsync_v2(Address to, const unsigned char* from, size_t size, Handle stream) {
  return SAID("upload %llx %zu of %d on %lx\n", to, size, from[0], NUMBER(stream));
}
int cuMemcpyDtoHAsync_v2(unsigned char* to, Address from, size_t size, Handle stream) {
  return memset(to, 7, size), SAID("download %llx %zu on %lx\n", from, size, NUMBER(stream));
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size, Handle stream) {
  return SAID("copy %llx %llx %zu on %lx\n", to, from, size, NUMBER(stream));
}
int cuMemsetD8Async(Address to, unsigned char value, size_t size, Handle stream) {
  return SAID("clear %llx %d %zu on %lx\n", to, value, size, NUMBER(stream));
}
int cuModuleLoadData(Handle* module, const char* image) { return SAID("module %.3s\n", image + 1), made(module); }
int cuModuleUnload(Handle module) { return SAID("unload %lx\n", NUMBER(module)); }
int cuModuleGetFunction(Handle* function, Handle module, const char* name) {
  return SAID("function %s of %lx\n", name, NUMBER(module)), made(function);
}
int cuFuncSetAttribute(Handle function, int attribute, int value) {
  return SAID("attribute %lx %d %d\n", NUMBER(function), attribute, value);
}
int cuStreamCreate(Handle* stream, unsigned flags) { return SAID("stream %u\n", flags), made(stream); }
int cuStreamDestroy_v2(Handle stream) { return SAID("no stream %lx\n", NUMBER(stream)); }
int cuStreamSynchronize(Handle stream) { return SAID("synchronize %lx\n", NUMBER(stream)); }
int cuStreamWaitEvent(Handle stream, Handle event, unsigned flags) {
  return SAID("wait %lx %lx %u\n", NUMBER(stream), NUMBER(event), flags);
}
int cuEventCreate(Handle* event, unsigned flags) { return SAID("event %u\n", flags), made(event); }
int cuEventDestroy_v2(Handle event) { return SAID("no event %lx\n", NUMBER(event)); }
int cuEventRecord(Handle event, Handle stream) { return SAID("record %lx %lx\n", NUMBER(event), NUMBER(stream)); }
int cuEventSynchronize(Handle event) { return SAID("event over %lx\n", NUMBER(event)); }
int cuEventElapsedTime_v2(float* time, Handle first, Handle second) {
  return *time = 0.25f, (void)first, (void)second, 0;
}
int cuEventElapsedTime(float* time, Handle first, Handle second) {
  return cuEventElapsedTime_v2(time, first, second);
}
int cuStreamBeginCapture_v2(Handle stream, int mode) { return SAID("capture %lx %d\n", NUMBER(stream), mode); }
int cuStreamEndCapture(Handle stream, Handle* graph) { return SAID("captured %lx\n", NUMBER(stream)), made(graph); }
int cuGraphInstantiateWithFlags(Handle* made_of, Handle graph, unsigned long long flags) {
  return SAID("instantiate %lx %llu\n", NUMBER(graph), flags), made(made_of);
}
int cuGraphDestroy(Handle graph) { return SAID("no graph %lx\n", NUMBER(graph)); }
int cuGraphExecDestroy(Handle graph) { return SAID("no executable graph %lx\n", NUMBER(graph)); }
int cuGraphLaunch(Handle graph, Handle stream) { return SAID("run %lx on %lx\n", NUMBER(graph), NUMBER(stream)); }

static int launched(unsigned shared, Handle stream, void** arguments) {
  SAID(" shared %u on %lx:", shared, NUMBER(stream));
  for (int k = 0; k < 3; ++k) SAID(" %llx%s", *(Address*)arguments[k], (uintptr_t)arguments[k] % 64 ? "!" : "");
  return SAID("\n");
}
int cuLaunchKernel(Handle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, Handle stream, void** arguments, void** extra) {
  SAID("launch %lx %u %u %u %u %u %u%s", NUMBER(function), gx, gy, gz, bx, by, bz, extra ? " extra" : "");
  return launched(shared, stream, arguments);
}
int cuTensorMapEncodeTiled(uint64_t* map, int type, unsigned rank, Handle address, const uint64_t* extents,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* steps, int interleave,
                           int swizzle, int promotion, int fill) {
  SAID("map type %d at %lx:", type, NUMBER(address));
  for (unsigned k = 0; k < rank; ++k) SAID(" %lu", (unsigned long)extents[k]);
  for (unsigned k = 0; k + 1 < rank; ++k) SAID(" /%lu", (unsigned long)strides[k]);
  for (unsigned k = 0; k < rank; ++k) SAID(" [%u]", box[k]);
  for (unsigned k = 0; k < rank; ++k) SAID(" x%u", steps[k]);
  for (int k = 0; k < 16; ++k) map[k] = 0xabc0 + k;
  return SAID(" %d %d %d %d%s\n", interleave, swizzle, promotion, fill, (uintptr_t)map % 64 ? "!" : "");
}

int cuGetProcAddress_v2(const char* name, void** found, int version, uint64_t flags, int* status) {
  static void* self;
  char second[128];
  if (!self) {
    Dl_info own;
    dladdr((void*)cuInit, &own);
    self = dlopen(own.dli_fname, RTLD_NOW);
  }
  snprintf(second, sizeof second, "%s_v2", name);
  *found = dlsym(self, second);
  if (!*found) *found = dlsym(self, name);
  if (!*found && !strcmp(name, "cuGraphInstantiate")) *found = (void*)cuGraphInstantiateWithFlags;
  if (status) *status = *found ? 0 : 1;
  return (void)version, (void)flags, *found ? 0 : 500;
}
int cuGetProcAddress(const char* name, void** found, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, found, version, flags, 0);
}
