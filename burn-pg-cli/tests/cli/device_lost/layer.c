// A Vulkan layer that loses the device: from the first call on of the function LOSE_IN (vkQueueSubmit, vkWaitSemaphores, ...) after
// LOSE_AFTER calls of vkQueueSubmit, that function and all others that may say so give VK_ERROR_DEVICE_LOST. If there is a
// variable SUBMITS_TO, the file of that name gets the number of calls of vkQueueSubmit when the process ends. Each call of
// vkWaitSemaphores takes WAIT_MS milliseconds longer than it would.
//
// The few types that it needs are declared here, as in the Vulkan specification (1.3, 64 bits) and in the interface between
// loader and layers, so that no header has to be installed.
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int32_t Result;
typedef void (*Function)(void);
typedef Function (*GetProc)(void *, const char *);

enum { SUCCESS = 0, NOT_INITIALIZED = -3, DEVICE_LOST = -4, OF_INSTANCE = 47, OF_DEVICE = 48, LINK_INFO = 0 };

typedef struct Structure { int32_t type; const struct Structure *next; } Structure;
// Of an instance, the second function is one that this layer has no need of.
typedef struct Link { struct Link *next; GetProc get_instance_proc, get_device_proc; } Link;
typedef struct { int32_t type; const void *next; int32_t function; Link *link; } Chain;
typedef struct {
    int32_t type;
    void *next;
    uint32_t version;
    GetProc get_instance_proc, get_device_proc, get_physical_device_proc;
} Negotiation;

static GetProc next_of_instance, next_of_device;
static atomic_int lost;
static atomic_ulong submits;

// The functions that may lose the device.
#define FUNCTIONS(X)                                                                                                            \
    X(vkQueueSubmit, (void *queue, uint32_t count, void *submits, void *fence), (queue, count, submits, fence))                 \
    X(vkQueueWaitIdle, (void *queue), (queue))                                                                                  \
    X(vkDeviceWaitIdle, (void *device), (device))                                                                               \
    X(vkGetFenceStatus, (void *device, void *fence), (device, fence))                                                           \
    X(vkWaitForFences, (void *device, uint32_t count, void *fences, uint32_t all, uint64_t timeout),                            \
      (device, count, fences, all, timeout))                                                                                    \
    X(vkWaitSemaphores, (void *device, void *info, uint64_t timeout), (device, info, timeout))                                  \
    X(vkGetSemaphoreCounterValue, (void *device, void *semaphore, uint64_t *value), (device, semaphore, value))

// Is the device lost by now, in a call of this function? Counts those of vkQueueSubmit.
static int is_lost(const char *function) {
    unsigned long before = strcmp(function, "vkQueueSubmit") ? submits : atomic_fetch_add(&submits, 1);
    const char *wait = getenv("WAIT_MS");
    if (wait && !strcmp(function, "vkWaitSemaphores")) usleep(1000 * strtoul(wait, NULL, 10));
    const char *in = getenv("LOSE_IN"), *after = getenv("LOSE_AFTER");
    if (in && after && !strcmp(in, function) && before >= strtoul(after, NULL, 10)) lost = 1;
    return lost;
}

#define WRAPPED(name, parameters, arguments)                                                                                    \
    static Result(*next_##name) parameters;                                                                                     \
    static Result name parameters { return is_lost(#name) ? DEVICE_LOST : next_##name arguments; }
FUNCTIONS(WRAPPED)

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("SUBMITS_TO");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu", (unsigned long)submits);
    fclose(file);
}

// What the loader has left for this layer; the layer below finds its own there.
static Link *unlinked(const Structure *from, int32_t type) {
    for (; from; from = from->next) {
        Chain *chain = (Chain *)from;
        if (chain->type == type && chain->function == LINK_INFO) {
            Link *link = chain->link;
            chain->link = link->next;
            return link;
        }
    }
    return NULL;
}

static Result create_instance(const Structure *info, const void *allocator, void **instance) {
    Link *link = unlinked(info, OF_INSTANCE);
    if (!link) return NOT_INITIALIZED;
    next_of_instance = link->get_instance_proc;
    Function create = next_of_instance(NULL, "vkCreateInstance");
    return ((Result(*)(const Structure *, const void *, void **))create)(info, allocator, instance);
}

static Result create_device(void *physical, const Structure *info, const void *allocator, void **device) {
    Link *link = unlinked(info, OF_DEVICE);
    if (!link) return NOT_INITIALIZED;
    next_of_device = link->get_device_proc;
    Function create = link->get_instance_proc(NULL, "vkCreateDevice");
    Result result = ((Result(*)(void *, const Structure *, const void *, void **))create)(physical, info, allocator, device);
    if (result != SUCCESS) return result;
#define FOUND(name, parameters, arguments) next_##name = (Result(*) parameters)next_of_device(*device, #name);
    FUNCTIONS(FOUND)
    return SUCCESS;
}

static Function ours(const char *name) {
#define NAMED(wrapped, parameters, arguments)                                                                                   \
    if (!strncmp(name, #wrapped, strlen(#wrapped)) && (!name[strlen(#wrapped)] || !strcmp(name + strlen(#wrapped), "KHR")))     \
        return (Function)wrapped;
    FUNCTIONS(NAMED)
    return NULL;
}

static Function get_device_proc(void *device, const char *name) {
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (Function)get_device_proc;
    Function found = ours(name);
    return found ? found : next_of_device(device, name);
}

static Function get_instance_proc(void *instance, const char *name) {
    if (!strcmp(name, "vkGetInstanceProcAddr")) return (Function)get_instance_proc;
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (Function)get_device_proc;
    if (!strcmp(name, "vkCreateInstance")) return (Function)create_instance;
    if (!strcmp(name, "vkCreateDevice")) return (Function)create_device;
    Function found = ours(name);
    return found ? found : instance ? next_of_instance(instance, name) : NULL;
}

Result vkNegotiateLoaderLayerInterfaceVersion(Negotiation *negotiation) {
    if (negotiation->version < 2) return NOT_INITIALIZED;
    negotiation->version = 2;
    negotiation->get_instance_proc = get_instance_proc;
    negotiation->get_device_proc = get_device_proc;
    negotiation->get_physical_device_proc = NULL;
    return SUCCESS;
}
